#pragma once

#include <cstdint>

namespace softmoe::config {
class Reader;
class Check;
}  // namespace softmoe::config

namespace softmoe::parallel {

struct ParallelConfig {
  int expert_parallel = 0;             ///< P; 0: all ranks of the world
  std::int64_t timeout_seconds = 300;  ///< an operation may wait so long for its peers

  void bind(config::Reader& reader);
  void validate(config::Check& check) const;
};

}  // namespace softmoe::parallel
