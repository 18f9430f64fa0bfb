#include "runtime/ops/cpu/tile_product.h"

#include <algorithm>
#include <array>
#include <utility>

#include "runtime/ops/cpu/transpose.h"
#include "runtime/ops/cpu/vec.h"

namespace softmoe::ops::cpu {

namespace {

template <int kNumber>
using Constant = std::integral_constant<int, kNumber>;

/// Vectors of a block's columns. The sums of a block, a row of the other matrix and one element of
/// the factor have to fit into the registers: 32 where vectors have sixteen lanes, else 16.
constexpr int kMostVectors = kLanes == 16 ? 4 : 2;

/// Rows of a block so many vectors wide.
constexpr int rows_of_block(int vectors) {
  return vectors == kMostVectors ? 6 : kTileRows;
}

/// Floats of a cache line.
constexpr std::int64_t kPerLine = 64 / sizeof(float);

/// The lines of the next block's rows that hold their term t.
template <int kRows>
void fetch_next_rows(const TileFactor& factor, std::int64_t t) {
#pragma GCC unroll 8
  for (int i = kRows; i < 2 * kRows; ++i) {
    __builtin_prefetch(factor.data + i * factor.row_stride + t * factor.term_stride);
  }
}

/// A block of kRows rows and kVectors vectors, summed in registers.
/// @param first, last  terms
/// @param lanes        of the last vector
template <bool kIsFar, int kRows, int kVectors, class Lanes>
void multiply_block(std::int64_t first, std::int64_t last, bool adds, const TileFactor& factor,
                    const TileRows& rows, const TileResult& result, Lanes lanes) {
  std::array<std::array<Vec, kVectors>, kRows> sum{};
  const auto load_row = [&](const float* from) {
    std::array<Vec, kVectors> row;
#pragma GCC unroll 4
    for (int v = 0; v < kVectors - 1; ++v) row[v] = load(from + v * kLanes, Full{});
    row[kVectors - 1] = load(from + (kVectors - 1) * kLanes, lanes);
    return row;
  };
  if (adds) {
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) sum[i] = load_row(result.data + i * result.stride);
  }
  for (std::int64_t t = first; t < last; ++t) {
    if (kIsFar && t % kPerLine == 0) fetch_next_rows<kRows>(factor, t);
    const std::array<Vec, kVectors> row = load_row(rows.data + t * rows.stride);
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
      const Vec element = all(factor.data[i * factor.row_stride + t * factor.term_stride]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sum[i][v] += element * row[v];
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i) {
    float* const to = result.data + i * result.stride;
#pragma GCC unroll 4
    for (int v = 0; v < kVectors - 1; ++v) store(sum[i][v], to + v * kLanes, Full{});
    store(sum[i][kVectors - 1], to + (kVectors - 1) * kLanes, lanes);
  }
}

/// All rows of kVectors vectors of columns.
template <bool kIsFar, int kVectors, class Lanes>
void multiply_columns(const TileExtents& extents, const TileFactor& factor, const TileRows& rows,
                      const TileResult& result, Lanes lanes) {
  const auto [count, begin, end] = extents.terms;
  const auto multiply_rows = [&, count = count, begin = begin, end = end]<int kRows>(
                                 std::int64_t row, Constant<kRows>) {
    const std::int64_t first = std::clamp<std::int64_t>(begin + row, 0, count);
    const std::int64_t last = std::clamp<std::int64_t>(end + row + kRows - 1, 0, count);
    multiply_block<kIsFar, kRows, kVectors>(
        first, last, extents.adds,
        {factor.data + row * factor.row_stride, factor.row_stride, factor.term_stride,
         factor.is_far},
        rows, {result.data + row * result.stride, result.stride}, lanes);
  };
  constexpr int kRows = rows_of_block(kVectors);
  std::int64_t row = 0;
  for (; row + kRows <= extents.rows; row += kRows) multiply_rows(row, Constant<kRows>());
  const std::int64_t left = extents.rows - row;
  const auto multiply_left = [&]<int... kFewer>(std::integer_sequence<int, kFewer...>) {
    ((left == kFewer + 1 ? multiply_rows(row, Constant<kFewer + 1>()) : void()), ...);
  };
  multiply_left(std::make_integer_sequence<int, kRows - 1>());
}

/// All columns.
template <bool kIsFar>
void multiply_all(const TileExtents& extents, const TileFactor& factor, const TileRows& rows,
                  const TileResult& result) {
  std::int64_t column = 0;
  const auto multiply_next = [&]<int kVectors>(Constant<kVectors>, auto lanes) {
    multiply_columns<kIsFar, kVectors>(extents, factor, {rows.data + column, rows.stride},
                                       {result.data + column, result.stride}, lanes);
    column += kVectors * kLanes;
  };
  const auto has_vectors = [&](int vectors) {
    return column + vectors * kLanes <= extents.columns;
  };
  while (has_vectors(kMostVectors)) multiply_next(Constant<kMostVectors>(), Full{});
  if constexpr (kMostVectors > 3) {
    if (has_vectors(3)) multiply_next(Constant<3>(), Full{});
  }
  if constexpr (kMostVectors > 2) {
    if (has_vectors(2)) multiply_next(Constant<2>(), Full{});
  }
  if (has_vectors(1)) multiply_next(Constant<1>(), Full{});
  if (column < extents.columns) multiply_next(Constant<1>(), Part{extents.columns - column});
}

}  // namespace

void multiply_tile(const TileExtents& extents, const TileFactor& factor, const TileRows& rows,
                   const TileResult& result) {
  const auto multiply = factor.is_far ? multiply_all<true> : multiply_all<false>;
  multiply(extents, factor, rows, result);
}

void transpose_tile(const TileRows& from, std::int64_t rows, std::int64_t columns, float scale,
                    const TileResult& to, std::int64_t width) {
  for_vectors(width, [&](std::int64_t first, auto stored) {
    const float* const corner = from.data + first * from.stride;
    const std::int64_t present = std::clamp<std::int64_t>(rows - first, 0, kLanes);
    for_vectors(columns, [&](std::int64_t column, auto lanes) {
      std::array<Vec, kLanes> square{};
      if (present == kLanes) {
#pragma GCC unroll 16
        for (int i = 0; i < kLanes; ++i) square[i] = load(corner + column + i * from.stride, lanes);
      } else {
        for (int i = 0; i < present; ++i)
          square[i] = load(corner + column + i * from.stride, lanes);
      }
      transpose(square);
      float* const turned = to.data + column * to.stride + first;
      if (column + kLanes <= columns) {
#pragma GCC unroll 16
        for (int i = 0; i < kLanes; ++i) store(square[i] * scale, turned + i * to.stride, stored);
      } else {
        for (int i = 0; i < columns - column; ++i)
          store(square[i] * scale, turned + i * to.stride, stored);
      }
    });
  });
}

}  // namespace softmoe::ops::cpu
