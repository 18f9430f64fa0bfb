#pragma once

// How the threads of a grid spread over rows that have nothing to do with one another: 2^k
// neighbouring threads share a row, so that short rows do not leave threads idle. For .cu files.

#include <algorithm>
#include <cstdint>

#include "runtime/device/cuda/launch.h"

namespace softmoe::ops::cuda {

inline constexpr int kRowWalkThreads = 256;

/// The host's side of it.
struct RowSpread {
  softmoe::cuda::LaunchShape shape;
  int log2_threads = 0;  ///< threads of one row
};

/// @param units of one row; a thread gets up to four of them at a time, to have loads under way.
[[nodiscard]] inline RowSpread spread_rows(std::int64_t rows, std::int64_t units) {
  // Enough to fill any GPU several times; the rest is walked.
  constexpr std::int64_t kMaxBlocks = 4096;
  int log2_threads = 0;
  while ((1 << log2_threads) < kRowWalkThreads && (std::int64_t{4} << log2_threads) < units) {
    ++log2_threads;
  }
  const std::int64_t blocks = softmoe::cuda::blocks_for(rows, kRowWalkThreads >> log2_threads);
  return {.shape = {.blocks = units == 0 ? 0 : std::min(blocks, kMaxBlocks),
                    .threads = kRowWalkThreads},
          .log2_threads = log2_threads};
}

/// One thread's side: it takes units first_unit, first_unit + unit_step, ... of rows first_row,
/// first_row + row_step, ...
struct RowWalk {
  std::int64_t first_row;
  std::int64_t row_step;
  int first_unit;
  int unit_step;

  __device__ explicit RowWalk(int log2_threads)
      : first_row((std::int64_t{blockIdx.x} * kRowWalkThreads + threadIdx.x) >> log2_threads),
        row_step(std::int64_t{gridDim.x} * (kRowWalkThreads >> log2_threads)),
        first_unit(static_cast<int>(threadIdx.x) & ((1 << log2_threads) - 1)),
        unit_step(1 << log2_threads) {}
};

}  // namespace softmoe::ops::cuda
