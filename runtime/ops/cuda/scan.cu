#include "runtime/ops/cuda/scan.h"

#include "runtime/device/cuda/shared_memory.h"
#include "runtime/ops/cuda/warp.h"

namespace softmoe::ops::cuda {

using softmoe::cuda::blocks_for;
using softmoe::cuda::launch;

namespace {

constexpr int kScanWarps = 8;
constexpr int kScanThreads = kScanWarps * kWarp;
constexpr int kItemsPerThread = 4;
constexpr int kTile = kScanThreads * kItemsPerThread;
constexpr std::int64_t kScanBytes = kScanWarps * static_cast<std::int64_t>(sizeof(std::int32_t));

struct BlockPrefix {
  std::int32_t before;  // the sum over lower threads
  std::int32_t total;   // over all threads
};

// All threads of a block call. Leaves behind a barrier: calls may follow each other.
__device__ BlockPrefix block_prefix(std::int32_t value) {
  auto* warp_totals = softmoe::cuda::shared_memory<std::int32_t>();
  const std::int32_t inclusive = warp_inclusive_sum(value);
  if (lane_index() == kWarp - 1) warp_totals[warp_index()] = inclusive;
  __syncthreads();
  BlockPrefix prefix{.before = inclusive - value, .total = 0};
  for (int warp = 0; warp < kScanWarps; ++warp) {
    if (warp < warp_index()) prefix.before += warp_totals[warp];
    prefix.total += warp_totals[warp];
  }
  __syncthreads();
  return prefix;
}

__global__ void __launch_bounds__(kScanThreads)
    scan_tiles(std::int32_t* values, std::int64_t count, std::int32_t* tile_total) {
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * kTile +
                             static_cast<std::int64_t>(threadIdx.x) * kItemsPerThread;
  std::int32_t own[kItemsPerThread];
  std::int32_t sum = 0;
  for (int i = 0; i < kItemsPerThread; ++i) {
    if (first + i < count) sum += values[first + i];
    own[i] = sum;
  }
  const BlockPrefix prefix = block_prefix(sum);
  for (int i = 0; i < kItemsPerThread; ++i) {
    if (first + i < count) values[first + i] = prefix.before + own[i];
  }
  if (threadIdx.x == 0) tile_total[blockIdx.x] = prefix.total;
}

// One block: the total of a tile becomes the sum of those before it.
__global__ void __launch_bounds__(kScanThreads)
    scan_tile_totals(std::int32_t* tile_total, std::int64_t num_tiles) {
  std::int32_t before = 0;
  for (std::int64_t begin = 0; begin < num_tiles; begin += kScanThreads) {
    const std::int64_t tile = begin + threadIdx.x;
    const std::int32_t total = tile < num_tiles ? tile_total[tile] : 0;
    const BlockPrefix prefix = block_prefix(total);
    if (tile < num_tiles) tile_total[tile] = before + prefix.before;
    before += prefix.total;
  }
}

__global__ void __launch_bounds__(kScanThreads)
    add_tile_offsets(std::int32_t* values, std::int64_t count, const std::int32_t* tile_offset) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * kScanThreads + threadIdx.x;
  if (i < count) values[i] += tile_offset[i / kTile];
}

}  // namespace

void inclusive_scan(View<std::int32_t> values_N, Arena& scratch, Stream& stream) {
  const ArenaScope scope(scratch);
  const std::int64_t count = values_N.size();
  const std::int64_t num_tiles = blocks_for(count, kTile);
  const View<std::int32_t> tile_total = scratch.push<std::int32_t>(num_tiles);
  launch(scan_tiles, {.blocks = num_tiles, .threads = kScanThreads, .shared_bytes = kScanBytes},
         stream, values_N.data(), count, tile_total.data());
  if (num_tiles <= 1) return;
  launch(scan_tile_totals, {.blocks = 1, .threads = kScanThreads, .shared_bytes = kScanBytes},
         stream, tile_total.data(), num_tiles);
  launch(add_tile_offsets, {.blocks = blocks_for(count, kScanThreads), .threads = kScanThreads},
         stream, values_N.data(), count, tile_total.data());
}

}  // namespace softmoe::ops::cuda
