#pragma once

// Sums over rows in f64, in an order that depends on the number of rows alone: warps of a block,
// then blocks. For .cu files. Letters: S sums, B blocks.

#include "runtime/device/cuda/shared_memory.h"
#include "runtime/device/view.h"
#include "runtime/ops/cuda/row_in_warp.h"

namespace softmoe::ops::cuda {

/// Shared memory that write_block_sums uses, from offset 0 on.
[[nodiscard]] constexpr std::int64_t block_sums_bytes(int sums) {
  return std::int64_t{sums} * kRowsPerBlock * static_cast<std::int64_t>(sizeof(double));
}

/// partial_SB[s][this block] := the sum over the warps of own[s], which counts in lane 0. All
/// threads of a block of kRowThreads call, once.
template <int kSums>
__device__ void write_block_sums(const double (&own)[kSums], double* partial_SB) {
  double* warps = softmoe::cuda::shared_memory<double>();
  if (lane_index() == 0) {
    for (int s = 0; s < kSums; ++s) warps[s * kRowsPerBlock + warp_index()] = own[s];
  }
  __syncthreads();
  if (threadIdx.x >= kSums) return;
  double sum = 0;
  for (int warp = 0; warp < kRowsPerBlock; ++warp) sum += warps[threadIdx.x * kRowsPerBlock + warp];
  partial_SB[static_cast<std::int64_t>(threadIdx.x) * gridDim.x + blockIdx.x] = sum;
}

/// target_S[s] += the sum over blocks of partial_SB[s]. No sums or no blocks: nothing.
void add_block_sums(View<const double> partial_SB, View<double> target_S, Stream& stream);
/// The same for one sum that is kept in f32: rounded once, then added.
void add_block_sums(View<const double> partial_B, View<float> target, Stream& stream);

}  // namespace softmoe::ops::cuda
