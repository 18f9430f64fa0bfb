#pragma once

// One block per row, for rows that are summed up. For .cu files.

#include <cstdint>

#include "runtime/device/cuda/shared_memory.h"
#include "runtime/ops/cuda/warp.h"

namespace softmoe::ops::cuda {

inline constexpr int kMaxRowThreads = 256;

/// The launch for `rows` rows. Its threads depend on `units`, those of one row, alone: equal rows
/// give equal bits wherever they stand.
[[nodiscard]] inline softmoe::cuda::LaunchShape block_per_row(std::int64_t rows,
                                                              std::int64_t units) {
  int threads = kWarp;
  while (threads < kMaxRowThreads && 4 * threads < units) threads *= 2;
  return {.blocks = rows,
          .threads = threads,
          .shared_bytes = threads / kWarp * static_cast<std::int64_t>(sizeof(float))};
}

/// The sum over the threads of the block, on each of them; the order is fixed. All threads call.
__device__ inline float block_sum(float value) {
  float* const sum_of_warp = softmoe::cuda::shared_memory<float>();
  value = warp_sum(value);
  // Whoever still reads the sums of a call before this one is waited for.
  __syncthreads();
  if (lane_index() == 0) sum_of_warp[warp_index()] = value;
  __syncthreads();
  float sum = 0;
  for (int warp = 0; warp < static_cast<int>(blockDim.x) / kWarp; ++warp) sum += sum_of_warp[warp];
  return sum;
}

}  // namespace softmoe::ops::cuda
