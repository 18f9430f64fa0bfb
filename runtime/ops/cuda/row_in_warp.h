#pragma once

// Rows of router scores in the registers of warps: one warp a row, its columns dealt out to the
// lanes, column c to lane c % 32. For .cu files. Letters: R rows, C columns.

#include <limits>
#include <string_view>

#include "runtime/ops/cuda/router_limits.h"
#include "runtime/ops/cuda/warp.h"

namespace softmoe::ops::cuda {

inline constexpr int kRowsPerBlock = 4;
inline constexpr int kRowThreads = kRowsPerBlock * kWarp;
/// For kernels that divide much: this few blocks of kRowThreads at once on a multiprocessor leave
/// 128 registers a thread. Without a bound the compiler spills some around the division's slow
/// path.
inline constexpr int kRoomyBlocks = 4;
inline constexpr int kMaxColumnsPerLane = 16;

/// One warp for each of `rows`.
[[nodiscard]] inline softmoe::cuda::LaunchShape warp_per_row(std::int64_t rows) {
  return {.blocks = softmoe::cuda::blocks_for(rows, kRowsPerBlock), .threads = kRowThreads};
}

/// Calls visitor.template operator()<kPerLane>() with the columns that a lane has to hold.
/// @throws DeviceError naming the limit if they do not fit its registers.
template <class Visitor>
void visit_columns_per_lane(std::string_view operation, std::int64_t columns, Visitor&& visitor) {
  const std::int64_t per_lane = softmoe::cuda::blocks_for(columns, kWarp);
  if (per_lane <= 1) {
    visitor.template operator()<1>();
  } else if (per_lane <= 2) {
    visitor.template operator()<2>();
  } else if (per_lane <= 4) {
    visitor.template operator()<4>();
  } else if (per_lane <= 8) {
    visitor.template operator()<8>();
  } else if (per_lane <= kMaxColumnsPerLane) {
    visitor.template operator()<kMaxColumnsPerLane>();
  } else {
    refuse_columns(operation, columns, kMaxColumnsPerLane * kWarp);
  }
}

/// The row of this warp. The last block may have warps without one.
__device__ inline std::int64_t row_of_warp() {
  return static_cast<std::int64_t>(blockIdx.x) * kRowsPerBlock + warp_index();
}

/// The columns of a row that this lane holds, at most kPerLane of them in as many slots. Slots
/// beyond the row are never touched. All lanes of a warp call what sums over the row.
template <int kPerLane>
struct LaneColumns {
  int count;  ///< C, of the whole row

  /// Calls body(slot, column).
  template <class Body>
  __device__ void for_each(Body body) const {
    for (int slot = 0; slot < kPerLane; ++slot) {
      const int column = slot * kWarp + lane_index();
      if (column < count) body(slot, column);
    }
  }
  /// Empty slots become 0.
  __device__ void load(const float* row_C, float (&slots)[kPerLane]) const {
    for (float& slot : slots) slot = 0;
    for_each([&](int slot, int column) { slots[slot] = row_C[column]; });
  }
  /// The sum of term(slot) over the row, in the type of the terms.
  template <class Term>
  __device__ auto sum(Term term) const {
    decltype(term(0)) own{};
    for_each([&](int slot, int) { own += term(slot); });
    return warp_sum(own);
  }
  /// The largest term(slot) that is a number; minus infinity if there is none.
  template <class Term>
  __device__ float largest(Term term) const {
    float own = -std::numeric_limits<float>::infinity();
    for_each([&](int slot, int) { own = fmaxf(own, term(slot)); });
    return warp_max(own);
  }
  /// The least one; infinity if there is none.
  template <class Term>
  __device__ float least(Term term) const {
    float own = std::numeric_limits<float>::infinity();
    for_each([&](int slot, int) { own = fminf(own, term(slot)); });
    return warp_min(own);
  }
};

}  // namespace softmoe::ops::cuda
