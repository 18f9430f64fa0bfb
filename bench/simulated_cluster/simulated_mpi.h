#pragma once

#include <cstdint>

namespace softmoe::bench {

/// What a rank has given to MPI_Isend so far.
struct Sent {
  std::int64_t bytes = 0;
  std::int64_t messages = 0;
};
[[nodiscard]] Sent sent_by(int rank);

}  // namespace softmoe::bench
