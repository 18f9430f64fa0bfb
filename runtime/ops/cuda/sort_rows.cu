#include <algorithm>

#include "runtime/base/errors.h"
#include "runtime/device/cuda/shared_memory.h"
#include "runtime/ops/cuda/warp.h"
#include "runtime/ops/pack_rows.h"

// A counting sort in three kernels. Rows are cut into tiles, one for a warp, which walks its tile
// in order; so the place of a row depends on the rows alone, not on who comes first.
//
//   1. each tile counts its rows of each key;
//   2. each key turns the counts of its tiles into the first place of the tile's rows;
//   3. each tile walks its rows again and hands out places from there.
//
// Letters: B tiles.

namespace softmoe::ops::cuda {

using softmoe::cuda::blocks_for;
using softmoe::cuda::launch;
using softmoe::cuda::LaunchShape;
using softmoe::cuda::shared_memory;

namespace {

constexpr std::int64_t kMaxKeys = 4096;
constexpr std::int64_t kMaxSharedBytes = std::int64_t{48} << 10;
constexpr int kMaxWarps = 4;
constexpr std::int64_t kMinTileRows = 64;

struct Sort {
  const std::int32_t* segment_begin;  ///< the last entry is the number of rows
  const std::int32_t* key;
  const std::int32_t* count_K;
  std::int32_t* row_at;
  std::int32_t* segment_at;
  std::int32_t* place_of;
  std::int32_t* tile_KB;  ///< of each key: rows in each tile, then the first place of those rows
  std::int64_t num_segments;
  std::int64_t tile_rows;
  std::int64_t num_tiles;  ///< B, for as many rows as there may be
  int num_keys;
};

__device__ std::int64_t warp_of_grid() {
  return std::int64_t{blockIdx.x} * (blockDim.x / kWarp) + warp_index();
}

/// The place of this lane's row: next_K[key], moved past the rows of that key in lower lanes; and
/// moves next_K past all of them. A key of -1 is no row.
__device__ std::int32_t take_place(int key, std::int32_t* next_K) {
  const unsigned same_key = __match_any_sync(kAllLanes, key);
  const int before = __popc(same_key & ((1U << lane_index()) - 1U));
  const std::int32_t first = key < 0 ? 0 : next_K[key];
  __syncwarp();
  if (key >= 0 && before == 0) next_K[key] = first + __popc(same_key);
  __syncwarp();
  return first + before;
}

/// Calls `visit(row, key)` for the rows of a tile in order, one for a lane; in the last round a
/// lane may have none, and a key of -1.
template <class Visit>
__device__ void walk_tile(const Sort& sort, std::int64_t tile, Visit visit) {
  const std::int64_t num_rows = sort.segment_begin[sort.num_segments];
  const std::int64_t begin = tile * sort.tile_rows;
  const std::int64_t end = std::min(num_rows, begin + sort.tile_rows);
  for (std::int64_t first = begin; first < end; first += kWarp) {
    const std::int64_t row = first + lane_index();
    visit(static_cast<std::int32_t>(row), row < end ? sort.key[row] : -1);
  }
}

__global__ void __launch_bounds__(kMaxWarps* kWarp) count_kernel(Sort sort) {
  const std::int64_t tile = warp_of_grid();
  if (tile * sort.tile_rows >= sort.segment_begin[sort.num_segments]) return;
  std::int32_t* const count_K = shared_memory<std::int32_t>() + warp_index() * sort.num_keys;
  for (int key = lane_index(); key < sort.num_keys; key += kWarp) count_K[key] = 0;
  __syncwarp();
  walk_tile(sort, tile, [&](std::int32_t, int key) { (void)take_place(key, count_K); });
  for (int key = lane_index(); key < sort.num_keys; key += kWarp) {
    sort.tile_KB[key * sort.num_tiles + tile] = count_K[key];
  }
}

// One warp for a key: 32 tiles at a time.
__global__ void __launch_bounds__(kMaxWarps* kWarp) begin_kernel(Sort sort) {
  const std::int64_t key = warp_of_grid();
  if (key >= sort.num_keys) return;
  const std::int64_t num_rows = sort.segment_begin[sort.num_segments];
  const std::int64_t used_tiles = (num_rows + sort.tile_rows - 1) / sort.tile_rows;

  std::int32_t before = 0;
  for (std::int64_t lower = lane_index(); lower < key; lower += kWarp) {
    before += sort.count_K[lower];
  }
  std::int32_t place = warp_sum(before);
  for (std::int64_t first = 0; first < used_tiles; first += kWarp) {
    const std::int64_t tile = first + lane_index();
    std::int32_t* const of_tile = sort.tile_KB + key * sort.num_tiles + tile;
    const std::int32_t count = tile < used_tiles ? *of_tile : 0;
    const std::int32_t up_to_here = warp_inclusive_sum(count);
    if (tile < used_tiles) *of_tile = place + up_to_here - count;
    place += __shfl_sync(kAllLanes, up_to_here, kWarp - 1);
  }
}

/// The segment that holds `row`: the last one that begins at or before it.
__device__ std::int32_t segment_of(const Sort& sort, std::int32_t row) {
  std::int64_t low = 0;
  std::int64_t high = sort.num_segments;
  while (high - low > 1) {
    const std::int64_t middle = (low + high) / 2;
    (sort.segment_begin[middle] <= row ? low : high) = middle;
  }
  return static_cast<std::int32_t>(low);
}

__global__ void __launch_bounds__(kMaxWarps* kWarp) place_kernel(Sort sort) {
  const std::int64_t tile = warp_of_grid();
  if (tile * sort.tile_rows >= sort.segment_begin[sort.num_segments]) return;
  std::int32_t* const next_K = shared_memory<std::int32_t>() + warp_index() * sort.num_keys;
  for (int key = lane_index(); key < sort.num_keys; key += kWarp) {
    next_K[key] = sort.tile_KB[key * sort.num_tiles + tile];
  }
  __syncwarp();
  walk_tile(sort, tile, [&](std::int32_t row, int key) {
    const std::int32_t place = take_place(key, next_K);
    if (key < 0) return;
    sort.place_of[row] = place;
    sort.row_at[place] = row;
    sort.segment_at[place] = segment_of(sort, row);
  });
}

}  // namespace

void sort_rows(const SortRowsArguments& arguments, Arena& scratch, Stream& stream) {
  const std::int64_t max_rows = arguments.key_C.size();
  const std::int64_t num_keys = arguments.count_K.size();
  require(num_keys <= kMaxKeys, "sort_rows on a GPU takes at most 4096 keys");
  if (max_rows == 0 || num_keys == 0) return;

  // Tiles no shorter than there are keys: their counts take no more memory than the rows.
  const std::int64_t tile_rows = std::max(kMinTileRows, blocks_for(num_keys, kWarp) * kWarp);
  const std::int64_t num_tiles = blocks_for(max_rows, tile_rows);
  const ArenaScope scope(scratch);
  const Sort sort{.segment_begin = arguments.segment_begin_S1.data(),
                  .key = arguments.key_C.data(),
                  .count_K = arguments.count_K.data(),
                  .row_at = arguments.row_at_C.data(),
                  .segment_at = arguments.segment_at_C.data(),
                  .place_of = arguments.place_of_C.data(),
                  .tile_KB = scratch.push<std::int32_t>(num_keys * num_tiles).data(),
                  .num_segments = arguments.segment_begin_S1.size() - 1,
                  .tile_rows = tile_rows,
                  .num_tiles = num_tiles,
                  .num_keys = static_cast<int>(num_keys)};

  const std::int64_t counter_bytes = num_keys * static_cast<std::int64_t>(sizeof(std::int32_t));
  const std::int64_t warps = std::min<std::int64_t>(kMaxWarps, kMaxSharedBytes / counter_bytes);
  const LaunchShape warp_per_tile{.blocks = blocks_for(num_tiles, warps),
                                  .threads = static_cast<int>(warps) * kWarp,
                                  .shared_bytes = warps * counter_bytes};
  const LaunchShape warp_per_key{.blocks = blocks_for(num_keys, kMaxWarps),
                                 .threads = kMaxWarps * kWarp};
  launch(&count_kernel, warp_per_tile, stream, sort);
  launch(&begin_kernel, warp_per_key, stream, sort);
  launch(&place_kernel, warp_per_tile, stream, sort);
}

}  // namespace softmoe::ops::cuda
