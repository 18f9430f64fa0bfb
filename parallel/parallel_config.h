#pragma once

#include <cstdint>

namespace softmoe::config {
class Reader;
class Check;
}  // namespace softmoe::config

namespace softmoe::parallel {

struct ParallelConfig {
  int expert_parallel = 0;  ///< P; 0: all ranks of the world
  /// Q: rows of one chunk of experts travel while those of another are worked on; 1: no overlap.
  int exchange_chunks = 1;
  /// Rows of one layer and lane that a rank may hold at once; 0: no bound.
  std::int64_t max_received_rows = 0;
  std::int64_t timeout_seconds = 300;  ///< an operation may wait so long for its peers

  void bind(config::Reader& reader);
  void validate(config::Check& check) const;
};

}  // namespace softmoe::parallel
