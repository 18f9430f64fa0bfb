#pragma once

// One number as four limbs of 32 bits: the arithmetic of exact sums.

#include <cmath>
#include <cstdint>

#include "runtime/ops/exact_sum.h"

namespace softmoe::ops {

inline constexpr int kLimbs = kExactIntegers - 1;  ///< worth 2^(32 (limb - 2))
inline constexpr double kLimbBase = 0x1p32;
inline constexpr double kExactLimit = 0x1p63;

/// sum_5 += x. Every limb takes what is nearest, so rests have either sign and each is exact.
inline void add_exactly(double x, std::int64_t* sum_5) {
  if (!(std::abs(x) < kExactLimit)) {
    ++sum_5[kLimbs];
    return;
  }
  double rest = x / kLimbBase;
  for (int limb = kLimbs - 1; limb >= 0; --limb) {
    const double nearest = std::nearbyint(rest);
    sum_5[limb] += static_cast<std::int64_t>(nearest);
    rest = (rest - nearest) * kLimbBase;
  }
}

/// Carries, so that all limbs but the last lie in [0, 2^32): one form for one value.
inline void carry(std::int64_t* sum_5) {
  for (int limb = 0; limb + 1 < kLimbs; ++limb) {
    const std::int64_t over = sum_5[limb] >> 32;
    sum_5[limb] -= over * (std::int64_t{1} << 32);
    sum_5[limb + 1] += over;
  }
}

}  // namespace softmoe::ops
