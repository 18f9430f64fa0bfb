#pragma once

#include <string>
#include <vector>

namespace softmoe::metrics {

/// The number lines of a page in Prometheus' text format, in their order.
struct Sample {
  std::string series;  ///< name and labels as they stand
  double value = 0;
};

/// Reads a page by the grammar of the format and nothing of ours.
/// @throws std::runtime_error quoting the first line that is none, or if the last one is not ended
[[nodiscard]] std::vector<Sample> samples_of(const std::string& page);

}  // namespace softmoe::metrics
