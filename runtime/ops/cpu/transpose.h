#pragma once

#include <array>
#include <cstddef>

namespace softmoe::ops::cpu {

/// Swaps bit `kStride` of the row index with that of the lane.
/// @tparam V  a vector of kRows floats
template <int kStride, class V, std::size_t kRows>
[[gnu::always_inline]] inline void swap_stage(std::array<V, kRows>& square) {
  using Lanes = decltype(V{} < V{});  // as many integers
  constexpr int kWidth = static_cast<int>(kRows);
  static_assert(sizeof(V) == kRows * sizeof(float));
  Lanes to_upper{};
  Lanes to_lower{};
  for (int lane = 0; lane < kWidth; ++lane) {
    const bool is_right = (lane & kStride) != 0;
    to_upper[lane] = is_right ? kWidth + lane - kStride : lane;
    to_lower[lane] = is_right ? kWidth + lane : lane + kStride;
  }
#pragma GCC unroll 16
  for (int row = 0; row < kWidth; ++row) {
    if ((row & kStride) != 0) continue;
    V& upper = square[static_cast<std::size_t>(row)];
    V& lower = square[static_cast<std::size_t>(row + kStride)];
    const V swapped = __builtin_shuffle(upper, lower, to_upper);
    lower = __builtin_shuffle(upper, lower, to_lower);
    upper = swapped;
  }
}

/// Lane i of vector j becomes lane j of vector i: in registers, if the array is.
template <int kStride = 1, class V, std::size_t kRows>
[[gnu::always_inline]] inline void transpose(std::array<V, kRows>& square) {
  swap_stage<kStride>(square);
  if constexpr (2 * kStride < static_cast<int>(kRows)) transpose<2 * kStride>(square);
}

}  // namespace softmoe::ops::cpu
