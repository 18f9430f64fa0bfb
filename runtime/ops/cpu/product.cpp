#include "runtime/ops/cpu/product.h"

#include <array>

#include "runtime/ops/cpu/packed_product.h"
#include "runtime/ops/cpu/tile_product.h"
#include "runtime/ops/cpu/vec.h"

namespace softmoe::ops::cpu {

namespace {

/// Whether the terms of a row of the result lie so that they share few sets of the caches: columns
/// of a matrix whose rows are a multiple of 8 KiB apart. Products of such ran at two thirds of the
/// rate of others.
bool has_crowded_terms(const Product& product) {
  constexpr std::int64_t kStride = 2048;
  return product.a.transpose == Transpose::yes && product.a.stride % kStride == 0 &&
         product.extents.k > 1;
}

/// The product from a copy of A, of so many terms at a time that it stays in the second cache.
/// @param whole  a block of rows, of which there are less than 1,024
void multiply_copied(const Product& whole) {
  std::array<float, 65536> copy;
  const auto [m, n, k, alpha, beta] = whole.extents;
  const std::int64_t at_once = std::ssize(copy) / m;
  for (std::int64_t first = 0; first < k; first += at_once) {
    Product part = whole;
    part.extents.k = std::min(at_once, k - first);
    if (first > 0) part.extents.beta = 1.0F;
    for (std::int64_t i = 0; i < part.extents.k; ++i) {
      std::copy_n(whole.a.data + (first + i) * whole.a.stride, m, copy.data() + i * m);
    }
    part.a = {copy.data(), m, Transpose::yes};
    part.b.data += first * (whole.b.transpose == Transpose::yes ? 1 : whole.b.stride);
    sgemm(part.extents, part.a, part.b, part.c, n);
  }
}

/// Of a matrix that is turned, the most numbers.
constexpr std::int64_t kMostTurned = 65536;

/// Whether columns of B lie behind one another, so that oneDNN would turn all of B.
bool has_columns_in_line(const Product& product) {
  return product.a.transpose == Transpose::no && product.b.transpose == Transpose::yes &&
         product.extents.beta == 0.0F && gemm_library() == GemmLibrary::onednn;
}

/// Whether a product has few columns for many rows: scores of a router.
bool has_few_columns(const Product& product) {
  constexpr std::int64_t kFewColumns = 64;
  const auto [m, n, k, alpha, beta] = product.extents;
  return has_columns_in_line(product) && n <= kFewColumns && n % kLanes == 0 && m >= 4 * n &&
         k >= kLanes && n * k <= kMostTurned;
}

/// The product with B turned, where it stays in the cache while A is read once.
void multiply_few_columns(const Product& whole) {
  alignas(64) std::array<float, kMostTurned> b_KN;
  const auto [m, n, k, alpha, beta] = whole.extents;
  transpose_tile({whole.b.data, whole.b.stride}, n, k, alpha, {b_KN.data(), n}, n);
  multiply_tile(
      {.rows = m, .columns = n, .terms = {.count = k}, .adds = false},
      {.data = whole.a.data, .row_stride = whole.a.stride, .term_stride = 1, .is_far = true},
      {b_KN.data(), n}, {whole.c, n});
}

void multiply_rows(const Product& whole, std::int64_t begin, std::int64_t end) {
  Product part = whole;
  part.extents.m = end - begin;
  part.a.data += begin * (whole.a.transpose == Transpose::yes ? 1 : whole.a.stride);
  part.c += begin * whole.extents.n;
  if (has_columns_in_line(part) && can_be_packed(part.extents)) {
    multiply_packed(part);
  } else if (has_crowded_terms(part)) {
    multiply_copied(part);
  } else if (has_few_columns(part)) {
    multiply_few_columns(part);
  } else {
    sgemm(part.extents, part.a, part.b, part.c, whole.extents.n);
  }
}

void multiply_columns(const Product& whole, std::int64_t begin, std::int64_t end) {
  Product part = whole;
  part.extents.n = end - begin;
  part.b.data += begin * (whole.b.transpose == Transpose::yes ? whole.b.stride : 1);
  part.c += begin;
  sgemm(part.extents, part.a, part.b, part.c, whole.extents.n);
}

}  // namespace

void multiply_block(const Product& product, const Block& block) {
  const auto multiply_part = block.cut == Cut::rows ? multiply_rows : multiply_columns;
  multiply_part(product, block.begin, block.end);
}

void multiply(const Product& product) {
  for_each_block(product, [&](const Block& block) { multiply_block(product, block); });
}

void multiply(const Product& product, std::int64_t begin, std::int64_t end) {
  for_each_block(product, [&](const Block& block) {
    const bool is_part = block.cut == Cut::columns || (begin <= block.begin && block.end <= end);
    if (is_part) multiply_block(product, block);
  });
}

}  // namespace softmoe::ops::cpu
