#pragma once

// Vectors of 64-bit integers beside those of doubles, and the way from one to the other that every
// processor with vectors has.

#include <cstdint>

#include "runtime/ops/cpu/vec.h"

namespace softmoe::ops::cpu {

using VecL = std::int64_t __attribute__((vector_size(__BIGGEST_ALIGNMENT__)));

/// Adding it leaves the nearest integer in the last bits of the sum, ties to even, for numbers
/// below 2^51.
inline constexpr double kNearest = 0x1.8p52;

[[nodiscard]] inline VecD nearest(VecD x) {
  return (x + kNearest) - kNearest;
}

[[nodiscard]] inline VecL integer_nearest(VecD x) {
  const VecD zero = kNearest - VecD{};
  return reinterpret_cast<VecL>(x + kNearest) - reinterpret_cast<VecL>(zero);
}

[[nodiscard]] inline std::int64_t sum_lanes(VecL v) {
  std::int64_t sum = 0;
  for (int lane = 0; lane < kLanesD; ++lane) sum += v[lane];
  return sum;
}

}  // namespace softmoe::ops::cpu
