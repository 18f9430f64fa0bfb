#pragma once

// Products of matrices that lie in a core's caches, or of which one is read once: tiles of
// attention, and scores of a router. A library first copies its operands into an order of its own,
// which takes as long as such a product, and knows nothing of a diagonal.

#include <cstdint>
#include <limits>

namespace softmoe::ops::cpu {

/// A matrix of which single elements are read: (i, t) is data[i * row_stride + t * term_stride].
struct TileFactor {
  const float* data;
  std::int64_t row_stride;
  std::int64_t term_stride;
  /// Read once, from memory, row by row: the next rows are fetched while these are multiplied.
  bool is_far = false;
};

/// A matrix of which whole rows are read.
struct TileRows {
  const float* data;
  std::int64_t stride;
};

/// A matrix of which whole rows are written.
struct TileResult {
  float* data;
  std::int64_t stride;
};

/// The terms [0, count) of a sum, or those on one side of a diagonal: row i of the result needs
/// those from begin + i on and below end + i. The factor's others are read where they belong to a
/// neighbour less than kTileRows away, and have to be 0 there.
struct TileTerms {
  std::int64_t count;
  std::int64_t begin = std::numeric_limits<std::int32_t>::min();
  std::int64_t end = count;
};

/// Rows that are computed together, at most.
inline constexpr std::int64_t kTileRows = 8;

struct TileExtents {
  std::int64_t rows;
  std::int64_t columns;
  TileTerms terms;
  bool adds;  ///< to what the result holds; else overwrites it
};

/// result(i, j) = sum over t of factor(i, t) * rows(t, j), after what it was if `adds`.
void multiply_tile(const TileExtents& extents, const TileFactor& factor, const TileRows& rows,
                   const TileResult& result);

/// to[column, row] = scale * from[row, column], and 0 for row in [rows, width).
/// @param rows, columns  of `from`
/// @param to             [columns, width]
void transpose_tile(const TileRows& from, std::int64_t rows, std::int64_t columns, float scale,
                    const TileResult& to, std::int64_t width);

}  // namespace softmoe::ops::cpu
