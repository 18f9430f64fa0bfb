#include "runtime/ops/gemm.h"

#include <algorithm>
#include <array>

#include "runtime/ops/cpu/group_product.h"
#include "runtime/ops/cpu/largest_first.h"

namespace softmoe::ops::cpu {

namespace {

/// Runs product_of(group) for every group, the largest blocks of all of them first.
template <class ProductOf>
void multiply_groups(Workers& workers, std::int64_t num_groups, const ProductOf& product_of) {
  LargestFirst blocks(workers, /*are_near=*/num_groups == 1, [&](const GroupBlock& item) {
    multiply_block(product_of(item.group), item.block);
  });
  for (std::int64_t group = 0; group < num_groups; ++group) {
    for_each_block(product_of(group),
                   [&](const Block& block) { blocks.add({.group = group, .block = block}); });
  }
  blocks.run_gathered();
}

Product product_of(const GemmArguments& arguments) {
  const auto& [a, b, c, transpose_a, transpose_b, alpha, beta] = arguments;
  return {.extents = {.m = c.dim(0),
                      .n = c.dim(1),
                      .k = a.dim(transpose_a == Transpose::yes ? 0 : 1),
                      .alpha = static_cast<float>(alpha),
                      .beta = static_cast<float>(beta)},
          .a = {a.as<float>().data(), a.dim(1), transpose_a},
          .b = {b.as<float>().data(), b.dim(1), transpose_b},
          .c = c.as<float>().data()};
}

/// Whether a product is a small result of long sums over rows: the gradient of a router's weights.
bool has_long_sums(const Product& product) {
  constexpr std::int64_t kFewRows = 64;
  const auto [m, n, k, alpha, beta] = product.extents;
  return product.a.transpose == Transpose::yes && m > 1 && m <= kFewRows && k >= 8 * m;
}

/// Columns [begin, begin + width) of a product that sums over rows, its terms [first, last) alone.
void multiply_terms(const Product& whole, std::int64_t begin, std::int64_t width,
                    std::int64_t first, std::int64_t last, float* c, std::int64_t c_stride) {
  Product part = whole;
  part.extents.n = width;
  part.extents.k = last - first;
  if (first > 0) part.extents.beta = 0.0F;
  const bool is_transposed = whole.b.transpose == Transpose::yes;
  part.a.data += first * whole.a.stride;
  part.b.data += is_transposed ? begin * whole.b.stride + first : first * whole.b.stride + begin;
  sgemm(part.extents, part.a, part.b, c, c_stride);
}

/// Two workers take half of the terms each: what they read does not overlap, as it would if they
/// took half of the columns.
void multiply_long_sums(Workers& workers, const Product& product) {
  const auto [m, n, k, alpha, beta] = product.extents;
  std::array<float, 16384> second_half;
  const std::int64_t most_columns = std::ssize(second_half) / m;
  for (std::int64_t begin = 0; begin < n; begin += most_columns) {
    const std::int64_t width = std::min(most_columns, n - begin);
    float* const c = product.c + begin;
    workers.for_each_near(2, [&, k = k, n = n](std::int64_t half, int /*worker*/) {
      const std::int64_t middle = k / 2;
      half == 0 ? multiply_terms(product, begin, width, 0, middle, c, n)
                : multiply_terms(product, begin, width, middle, k, second_half.data(), width);
    });
    for (std::int64_t row = 0; row < m; ++row) {
      const float* const added = second_half.data() + row * width;
      for (std::int64_t i = 0; i < width; ++i) c[row * n + i] += added[i];
    }
  }
}

}  // namespace

void gemm(const GemmArguments& arguments, Stream& stream) {
  stream.run([arguments, workers = &stream.workers()] {
    const Product product = product_of(arguments);
    if (has_long_sums(product)) {
      multiply_long_sums(*workers, product);
      return;
    }
    multiply_groups(*workers, 1, [&](std::int64_t /*group*/) { return product; });
  });
}

void gemm_pair(const GemmArguments& first, const GemmArguments& second, Stream& stream) {
  stream.run([first, second, workers = &stream.workers()] {
    const std::array products = {product_of(first), product_of(second)};
    multiply_groups(*workers, 2,
                    [&](std::int64_t group) { return products[static_cast<std::size_t>(group)]; });
  });
}

Product group_product(const GroupedGemmArguments& arguments, std::int64_t number) {
  const auto& [rows, weights, out, transpose_weights, row_begin, runs] = arguments;
  const std::int64_t k = rows.dim(1);
  const std::int64_t n = out.dim(1);
  const std::int64_t begin = row_begin[static_cast<std::size_t>(number)];
  const std::int64_t end = row_begin[static_cast<std::size_t>(number) + 1];
  const std::int64_t group = number / runs;
  return {.extents = {.m = end - begin, .n = n, .k = k},
          .a = {rows.as<float>().data() + begin * k, k},
          .b = {weights.as<float>().data() + group * n * k, weights.dim(2), transpose_weights},
          .c = out.as<float>().data() + begin * n};
}

Product group_weight_product(const GroupedGemmWeightArguments& arguments, std::int64_t group) {
  const auto& [d_out, rows, d_weights, beta, row_begin, runs, run] = arguments;
  const std::int64_t n = d_out.dim(1);
  const std::int64_t k = rows.dim(1);
  const auto number = static_cast<std::size_t>(group * runs + run);
  const std::int64_t begin = row_begin[number];
  const std::int64_t end = row_begin[number + 1];
  return {.extents = {.m = n, .n = k, .k = end - begin, .beta = static_cast<float>(beta)},
          .a = {d_out.as<float>().data() + begin * n, n, Transpose::yes},
          .b = {rows.as<float>().data() + begin * k, k},
          .c = d_weights.as<float>().data() + group * n * k};
}

Product rows_of_weight_product(const Product& whole, std::int64_t begin, std::int64_t end) {
  Product part = whole;
  part.extents.k = end - begin;
  part.a.data += begin * whole.a.stride;
  part.b.data += begin * whole.b.stride;
  if (begin > 0) part.extents.beta = 1.0F;
  return part;
}

void grouped_gemm(const GroupedGemmArguments& arguments, Arena& /*scratch*/, Stream& stream) {
  stream.run([arguments, workers = &stream.workers()] {
    multiply_groups(*workers, arguments.weights.dim(0) * arguments.runs,
                    [&](std::int64_t number) { return group_product(arguments, number); });
  });
}

void grouped_gemm_weight(const GroupedGemmWeightArguments& arguments, Arena& /*scratch*/,
                         Stream& stream) {
  stream.run([arguments, workers = &stream.workers()] {
    LargestFirst blocks(*workers, /*are_near=*/false, [&](const GroupBlock& item) {
      // By blocks of rows, as expert_ffn_backward() has them while they are in the cache.
      const Product whole = group_weight_product(arguments, item.group);
      for_each_row_block(whole.extents.k, [&](std::int64_t begin, std::int64_t end) {
        multiply_block(rows_of_weight_product(whole, begin, end), item.block);
      });
    });
    for (std::int64_t group = 0; group < arguments.d_weights.dim(0); ++group) {
      for_each_block(group_weight_product(arguments, group),
                     [&](const Block& block) { blocks.add({.group = group, .block = block}); });
    }
    blocks.run_gathered();
  });
}

}  // namespace softmoe::ops::cpu
