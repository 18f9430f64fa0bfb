#pragma once

// A product of matrices and the blocks that it is cut into.

#include <algorithm>
#include <cstdint>

#include "runtime/ops/cpu/blas.h"

namespace softmoe::ops::cpu {

/// C = alpha * op(A) op(B) + beta * C, C's rows being `extents.n` apart.
struct Product {
  BlasProduct extents;
  BlasMatrix a;
  BlasMatrix b;
  float* c;
};

enum class Cut : std::uint8_t { rows, columns };

/// Rows, or columns, [begin, end) of a product's result.
struct Block {
  Cut cut;
  std::int64_t begin;
  std::int64_t end;
  std::int64_t cost;  ///< multiplications and what else goes with them
};

/// Rows of the result that one call computes. Every call packs all of B again, which costs 1 % at
/// 512 rows and 4 % at 256 (measured); and a row's bits depend on its neighbours, so the cut
/// depends on the shape alone, never on the number of workers.
[[nodiscard]] inline std::int64_t block_rows(std::int64_t m) {
  constexpr std::int64_t kRows = 512;
  const std::int64_t num_blocks = m < kRows ? 1 : std::max<std::int64_t>(2, m / kRows);
  constexpr std::int64_t kKernelRows = 16;  // a multiple of what kernels compute at once
  const std::int64_t rows = (m + num_blocks - 1) / num_blocks;
  return (rows + kKernelRows - 1) / kKernelRows * kKernelRows;
}

/// Calls body(begin, end) for the blocks of so many rows, once for none.
template <class Body>
void for_each_row_block(std::int64_t rows, const Body& body) {
  const std::int64_t step = block_rows(rows);
  std::int64_t begin = 0;
  do {
    const std::int64_t end = std::min(rows, begin + step);
    body(begin, end);
    begin = end;
  } while (begin < rows);
}

/// Columns of the result that one call computes where its rows make one block.
[[nodiscard]] inline std::int64_t block_columns(std::int64_t n) {
  constexpr std::int64_t kColumns = 1024;
  return n >= 2 * kColumns ? kColumns : n;  // a chunk of logits
}

/// Calls body(block) for the blocks of a product, in order.
template <class Body>
void for_each_block(const Product& product, const Body& body) {
  const auto [m, n, k, alpha, beta] = product.extents;
  if (m == 0) return;
  const std::int64_t rows = block_rows(m);
  const std::int64_t columns = block_columns(n);
  const bool is_by_columns = rows >= m && columns < n;
  const Cut cut = is_by_columns ? Cut::columns : Cut::rows;
  const std::int64_t extent = is_by_columns ? n : m;
  const std::int64_t step = is_by_columns ? columns : rows;
  const std::int64_t cost = (is_by_columns ? m : n) * (k + 1);
  for (std::int64_t begin = 0; begin < extent; begin += step) {
    const std::int64_t end = std::min(extent, begin + step);
    body(Block{.cut = cut, .begin = begin, .end = end, .cost = (end - begin) * cost});
  }
}

void multiply_block(const Product& product, const Block& block);

/// All blocks of a product, or those of them that make up the rows [begin, end).
void multiply(const Product& product);
void multiply(const Product& product, std::int64_t begin, std::int64_t end);

}  // namespace softmoe::ops::cpu
