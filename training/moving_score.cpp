#include "training/moving_score.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <span>

namespace softmoe::training {

namespace {

/// In two passes: losses differ in their last digits for long.
double score(double value, std::span<const double> before) {
  const auto count = static_cast<double>(before.size());
  const double mean = std::accumulate(before.begin(), before.end(), 0.0) / count;
  double squares = 0;
  for (const double number : before) squares += (number - mean) * (number - mean);
  const double deviation = std::sqrt(squares / count);
  if (deviation == 0) {
    if (value == mean || std::isnan(value)) return value - mean;
    return std::copysign(std::numeric_limits<double>::infinity(), value - mean);
  }
  return (value - mean) / deviation;
}

}  // namespace

double MovingScore::add(double value) {
  const double result =
      count_ < kLeast && !std::isnan(value) ? 0.0 : score(value, std::span(kept_).first(count_));
  if (!std::isfinite(value)) return result;
  kept_[next_] = value;
  next_ = (next_ + 1) % kWindow;
  count_ = std::min(count_ + 1, kWindow);
  return result;
}

}  // namespace softmoe::training
