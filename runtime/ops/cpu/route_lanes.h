#pragma once

// Sixteen rows at a time, one row per lane: a short row of scores is summed, searched and solved
// without horizontal steps, and a row's bits do not depend on its lane. The compiler turns Lanes
// into whatever vectors the machine has.

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "runtime/device/workers.h"
#include "runtime/ops/cpu/transpose.h"

namespace softmoe::ops::cpu {

inline constexpr int kLanes = 16;

using Lanes = float __attribute__((vector_size(kLanes * sizeof(float))));
/// Integers of a lane; comparisons of Lanes give 0 or -1.
using LaneInts = std::int32_t __attribute__((vector_size(kLanes * sizeof(std::int32_t))));

[[gnu::always_inline]] inline Lanes all_lanes(float value) {
  return Lanes{} + value;
}
[[gnu::always_inline]] inline LaneInts all_lanes(std::int32_t value) {
  return LaneInts{} + value;
}

[[gnu::always_inline]] inline Lanes lane_min(Lanes a, Lanes b) {
  return a < b ? a : b;
}
[[gnu::always_inline]] inline Lanes lane_max(Lanes a, Lanes b) {
  return a > b ? a : b;
}
[[gnu::always_inline]] inline Lanes lane_abs(Lanes a) {
  return std::bit_cast<Lanes>(std::bit_cast<LaneInts>(a) & 0x7fffffff);
}
[[gnu::always_inline]] inline Lanes lane_sqrt(Lanes a) {
  Lanes root{};
  for (int lane = 0; lane < kLanes; ++lane) root[lane] = std::sqrt(a[lane]);
  return root;
}
[[gnu::always_inline]] inline bool any_lane(LaneInts mask) {
  const auto words = std::bit_cast<std::array<std::uint64_t, kLanes / 2>>(mask);
  std::uint64_t any = 0;
  for (const std::uint64_t word : words) any |= word;
  return any != 0;
}

/// e^x for x <= 0 to 2e-7 relative; 0 below -87.
[[gnu::always_inline]] inline Lanes lane_exp(Lanes x) {
  // x = n log 2 + r. Adding 1.5 * 2^23 rounds to an integer, which then stands in the low bits.
  constexpr float kRound = 12582912.0F;
  x = x < -88.0F ? all_lanes(-88.0F) : x;  // NaN stays NaN
  const Lanes rounded = x * 1.44269504F + kRound;
  const Lanes n = rounded - kRound;
  const Lanes r = (x - n * 0.693359375F) + n * 2.12194440e-4F;
  Lanes power = r * (1.0F / 5040) + 1.0F / 720;  // Taylor: |r| <= log(2) / 2
  power = power * r + 1.0F / 120;
  power = power * r + 1.0F / 24;
  power = power * r + 1.0F / 6;
  power = power * r + 0.5F;
  power = power * r + 1.0F;
  power = power * r + 1.0F;
  const LaneInts exponent = std::bit_cast<LaneInts>(rounded) - std::bit_cast<std::int32_t>(kRound);
  return power * std::bit_cast<Lanes>((exponent + 127) << 23);
}

/// log x for finite normal x > 0 to 1e-7 (absolute below 1, else relative); 0 gives about -87.
[[gnu::always_inline]] inline Lanes lane_log(Lanes x) {
  // x = 2^n m, m in [sqrt(1/2), sqrt(2)); log m = 2 artanh(t), t = (m - 1) / (m + 1).
  constexpr std::int32_t kSqrtHalf = 0x3f3504f3;
  const LaneInts bits = std::bit_cast<LaneInts>(x);
  const LaneInts n = (bits - kSqrtHalf) >> 23;
  const Lanes m = std::bit_cast<Lanes>(bits - (n << 23));
  const Lanes t = (m - 1.0F) / (m + 1.0F);
  const Lanes square = t * t;
  Lanes series = square * (2.0F / 9) + 2.0F / 7;
  series = series * square + 2.0F / 5;
  series = series * square + 2.0F / 3;
  series = series * square + 2.0F;
  return __builtin_convertvector(n, Lanes) * 0.693147181F + t * series;
}

[[nodiscard]] inline std::int64_t sum_of_lanes(LaneInts value) {
  std::int64_t sum = 0;
  for (int lane = 0; lane < kLanes; ++lane) sum += value[lane];
  return sum;
}

/// Half a vector of lanes: short rows are mostly eight wide.
using HalfLanes = float __attribute__((vector_size(kLanes / 2 * sizeof(float))));
inline constexpr int kHalf = kLanes / 2;

[[gnu::always_inline]] inline HalfLanes load_half(const float* from, int width) {
  HalfLanes half{};
  if (width >= kHalf) {
    std::memcpy(&half, from, sizeof(half));
  } else {
    for (int i = 0; i < width; ++i) half[i] = from[i];
  }
  return half;
}
[[gnu::always_inline]] inline void store_half(HalfLanes half, float* to, int width) {
  if (width >= kHalf) {
    std::memcpy(to, &half, sizeof(half));
  } else {
    for (int i = 0; i < width; ++i) to[i] = half[i];
  }
}

/// The first `width` floats, then zeros.
[[gnu::always_inline]] inline Lanes load_part(const float* from, int width) {
  if (width == kLanes) {
    Lanes whole;
    std::memcpy(&whole, from, sizeof(whole));
    return whole;
  }
  const HalfLanes low = load_half(from, width);
  const HalfLanes high = width > kHalf ? load_half(from + kHalf, width - kHalf) : HalfLanes{};
  return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}

[[gnu::always_inline]] inline void store_part(Lanes value, float* to, int width) {
  if (width == kLanes) {
    std::memcpy(to, &value, sizeof(value));
    return;
  }
  store_half(__builtin_shufflevector(value, value, 0, 1, 2, 3, 4, 5, 6, 7), to, width);
  if (width > kHalf) {
    store_half(__builtin_shufflevector(value, value, 8, 9, 10, 11, 12, 13, 14, 15), to + kHalf,
               width - kHalf);
  }
}

/// Up to sixteen neighbouring rows of a row-major matrix.
struct RowBlock {
  std::int64_t first = 0;
  int count = 0;  ///< rows that exist; further lanes repeat the last one
  std::int64_t columns = 0;

  /// Among the blocks of the matrix.
  [[nodiscard]] std::int64_t index() const { return first / kLanes; }
};

[[nodiscard]] inline std::int64_t num_row_blocks(std::int64_t rows) {
  return (rows + kLanes - 1) / kLanes;
}
[[nodiscard]] inline RowBlock row_block(std::int64_t index, std::int64_t rows,
                                        std::int64_t columns) {
  const std::int64_t first = index * kLanes;
  const std::int64_t count = rows - first < kLanes ? rows - first : kLanes;
  return {.first = first, .count = static_cast<int>(count), .columns = columns};
}

/// All bits of the lanes whose rows exist.
[[nodiscard]] inline LaneInts existing_rows(const RowBlock& block) {
  LaneInts exists;
  for (int lane = 0; lane < kLanes; ++lane) exists[lane] = lane < block.count ? -1 : 0;
  return exists;
}

/// Calls body(block, worker) for all blocks. A worker takes some thousand scores at a time, some
/// microseconds of work; no result may depend on who took which.
template <class Body>
void for_each_row_block(Workers& workers, std::int64_t rows, std::int64_t columns,
                        const Body& body) {
  constexpr std::int64_t kScoresAtOnce = 4096;
  const std::int64_t at_once = std::max<std::int64_t>(1, kScoresAtOnce / (kLanes * columns));
  const std::int64_t num_blocks = num_row_blocks(rows);
  workers.for_each_near((num_blocks + at_once - 1) / at_once, [&](std::int64_t group, int worker) {
    const std::int64_t end = std::min(num_blocks, (group + 1) * at_once);
    for (std::int64_t index = group * at_once; index < end; ++index) {
      body(row_block(index, rows, columns), worker);
    }
  });
}

/// Floats ahead of which rows are fetched: a page, which is where processors stop by themselves.
/// Beyond the end of a matrix a fetch does nothing.
inline constexpr std::int64_t kAhead = 1024;

[[gnu::always_inline]] inline void load_tile(const float* matrix, const RowBlock& block,
                                             std::int64_t column, int width, Lanes* lanes) {
  std::array<Lanes, kLanes> tile;
#pragma GCC unroll 16
  for (int lane = 0; lane < kLanes; ++lane) {
    const std::int64_t row = block.first + (lane < block.count ? lane : block.count - 1);
    const float* const from = matrix + row * block.columns + column;
    __builtin_prefetch(from + kAhead);
    tile[static_cast<std::size_t>(lane)] = load_part(from, width);
  }
  transpose(tile);
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i) {
    if (i < width) lanes[column + i] = tile[static_cast<std::size_t>(i)];
  }
}

[[gnu::always_inline]] inline void store_tile(const Lanes* lanes, const RowBlock& block,
                                              std::int64_t column, int width, float* matrix) {
  std::array<Lanes, kLanes> tile;
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i) {
    tile[static_cast<std::size_t>(i)] = i < width ? lanes[column + i] : Lanes{};
  }
  transpose(tile);
#pragma GCC unroll 16
  for (int lane = 0; lane < kLanes; ++lane) {
    if (lane < block.count) {
      float* const to = matrix + (block.first + lane) * block.columns + column;
      __builtin_prefetch(to + kAhead, /*rw=*/1);
      store_part(tile[static_cast<std::size_t>(lane)], to, width);
    }
  }
}

/// lanes[c] := column c of the block, one row per lane.
[[gnu::noinline]] inline void load_rows(const float* matrix, const RowBlock& block, Lanes* lanes) {
  const std::int64_t whole = block.columns / kLanes * kLanes;
  for (std::int64_t column = 0; column < whole; column += kLanes) {
    load_tile(matrix, block, column, kLanes, lanes);
  }
  if (block.columns - whole == kHalf) {
    load_tile(matrix, block, whole, kHalf, lanes);
  } else if (whole < block.columns) {
    load_tile(matrix, block, whole, static_cast<int>(block.columns - whole), lanes);
  }
}

/// Column c of the block := lanes[c]; rows that do not exist are left out.
[[gnu::noinline]] inline void store_rows(const Lanes* lanes, const RowBlock& block, float* matrix) {
  const std::int64_t whole = block.columns / kLanes * kLanes;
  for (std::int64_t column = 0; column < whole; column += kLanes) {
    store_tile(lanes, block, column, kLanes, matrix);
  }
  if (block.columns - whole == kHalf) {
    store_tile(lanes, block, whole, kHalf, matrix);
  } else if (whole < block.columns) {
    store_tile(lanes, block, whole, static_cast<int>(block.columns - whole), matrix);
  }
}

/// The sum of term(column) over the columns: four sums side by side, so that no addition waits for
/// the one before.
template <class Term>
[[gnu::always_inline]] inline Lanes sum_columns(std::int64_t columns, const Term& term) {
  std::array<Lanes, 4> sums{};
  std::int64_t i = 0;
  for (; i + 4 <= columns; i += 4) {
#pragma GCC unroll 4
    for (std::size_t j = 0; j < 4; ++j) sums[j] += term(i + static_cast<std::int64_t>(j));
  }
  for (; i < columns; ++i) sums[0] += term(i);
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

/// A number per row, read with a stride; lanes beyond the block repeat the last row.
[[gnu::always_inline]] inline Lanes load_per_row(const float* numbers, std::int64_t stride,
                                                 const RowBlock& block) {
  Lanes result;
  for (int lane = 0; lane < kLanes; ++lane) {
    const std::int64_t row = block.first + (lane < block.count ? lane : block.count - 1);
    result[lane] = numbers[row * stride];
  }
  return result;
}
[[gnu::always_inline]] inline void store_per_row(Lanes value, const RowBlock& block, float* numbers,
                                                 std::int64_t stride) {
  for (int lane = 0; lane < block.count; ++lane) {
    numbers[(block.first + lane) * stride] = value[lane];
  }
}

}  // namespace softmoe::ops::cpu
