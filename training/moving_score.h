#pragma once

#include <array>
#include <cstddef>

namespace softmoe::training {

/// How unusual a number is: its distance from the mean of the 128 before it, in their standard
/// deviations.
class MovingScore {
 public:
  static constexpr std::size_t kWindow = 128;
  /// Fewer numbers before it say nothing of what is usual.
  static constexpr std::size_t kLeast = 16;

  /// The score of `value`, which is then one of the numbers before the next one. 0 while there are
  /// fewer than kLeast; infinite where all before were equal and this one is not; NaN for a NaN. A
  /// number that is not finite is not kept.
  double add(double value);

 private:
  std::array<double, kWindow> kept_ = {};
  std::size_t count_ = 0;
  std::size_t next_ = 0;
};

}  // namespace softmoe::training
