#pragma once

#include <cmath>

namespace softmoe {

/// How numbers are held as integers: x is round(x * 2^bits), ties to even. Sums of integers do not
/// depend on their order.
struct FixedPoint {
  int bits = 0;
  /// Numbers of this size and above are left out of a sum, and counted. A power of two, chosen so
  /// that a sum of as many as there may be stays within 63 bits.
  double limit = 0;

  [[nodiscard]] double scale() const { return std::ldexp(1.0, bits); }
  [[nodiscard]] double unit() const { return std::ldexp(1.0, -bits); }
};

}  // namespace softmoe
