#pragma once

#include <limits>
#include <string>

namespace softmoe::config {

/// The numbers a key accepts: at least `min`, above `above`, at most `max`, below `below`.
struct Range {
  double min = -std::numeric_limits<double>::infinity();
  double above = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  double below = std::numeric_limits<double>::infinity();

  [[nodiscard]] bool holds(double value) const;

  /// "from 1 to 4096", "above 0", "at least 0 and below 1"; empty without bounds.
  [[nodiscard]] std::string words() const;
};

}  // namespace softmoe::config
