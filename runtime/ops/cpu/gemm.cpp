#include "runtime/ops/gemm.h"

#include <algorithm>
#include <array>
#include <tuple>

#include "runtime/ops/cpu/blas.h"

namespace softmoe::ops::cpu {

namespace {

/// Rows of the result that one call computes. Every call packs all of B again, which costs 1 % at
/// 512 rows and 4 % at 256 (measured); and a row's bits depend on its neighbours, so the cut
/// depends on the shape alone, never on the number of workers.
std::int64_t block_rows(std::int64_t m) {
  constexpr std::int64_t kRows = 512;
  const std::int64_t num_blocks = m < kRows ? 1 : std::max<std::int64_t>(2, m / kRows);
  constexpr std::int64_t kKernelRows = 16;  // a multiple of what kernels compute at once
  const std::int64_t rows = (m + num_blocks - 1) / num_blocks;
  return (rows + kKernelRows - 1) / kKernelRows * kKernelRows;
}

/// Columns of the result that one call computes where its rows make one block.
std::int64_t block_columns(std::int64_t n) {
  constexpr std::int64_t kColumns = 1024;
  return n >= 2 * kColumns ? kColumns : n;  // a chunk of logits
}

/// A product that knows where its matrices lie, to be cut along the rows of C.
struct Product {
  BlasProduct extents;
  BlasMatrix a;
  BlasMatrix b;
  float* c;
};

/// Whether a product is a small result of long sums over rows: the gradient of a router's weights.
bool has_long_sums(const Product& product) {
  constexpr std::int64_t kFewRows = 64;
  const auto [m, n, k, alpha, beta] = product.extents;
  return product.a.transpose == Transpose::yes && m > 1 && m <= kFewRows && k >= 8 * m;
}

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

/// Rows [begin, end) of the product.
void multiply_rows(const Product& whole, std::int64_t begin, std::int64_t end) {
  Product part = whole;
  part.extents.m = end - begin;
  part.a.data += begin * (whole.a.transpose == Transpose::yes ? 1 : whole.a.stride);
  part.c += begin * whole.extents.n;
  if (has_crowded_terms(part)) {
    multiply_copied(part);
  } else {
    sgemm(part.extents, part.a, part.b, part.c, whole.extents.n);
  }
}

/// Columns [begin, end) of the product.
void multiply_columns(const Product& whole, std::int64_t begin, std::int64_t end) {
  Product part = whole;
  part.extents.n = end - begin;
  part.b.data += begin * (whole.b.transpose == Transpose::yes ? whole.b.stride : 1);
  part.c += begin;
  sgemm(part.extents, part.a, part.b, part.c, whole.extents.n);
}

enum class Cut : std::uint8_t { rows, columns };

/// A block of rows, or of columns, of one group's product.
struct Item {
  std::int64_t group;
  Cut cut;
  std::int64_t begin;
  std::int64_t end;
  std::int64_t cost;
};

/// Items of many groups, run largest first. A fixed number is gathered at a time: nothing is
/// allocated, and what is run together depends on the shapes alone.
template <class ProductOf>
class LargestFirst {
 public:
  LargestFirst(Workers& workers, std::int64_t num_groups, const ProductOf& product_of)
      : workers_(workers), num_groups_(num_groups), product_of_(product_of) {}

  void run() {
    for (std::int64_t group = 0; group < num_groups_; ++group) add(group);
    run_gathered();
  }

 private:
  void add(std::int64_t group) {
    const BlasProduct extents = product_of_(group).extents;
    if (extents.m == 0) return;
    const std::int64_t rows = block_rows(extents.m);
    const std::int64_t columns = block_columns(extents.n);
    if (rows >= extents.m && columns < extents.n) {
      add(group, Cut::columns, extents.n, columns, extents.m * (extents.k + 1));
    } else {
      add(group, Cut::rows, extents.m, rows, extents.n * (extents.k + 1));
    }
  }

  void run_gathered() {
    const auto last = items_.begin() + static_cast<std::ptrdiff_t>(num_items_);
    std::sort(items_.begin(), last, [](const Item& x, const Item& y) {
      return std::tie(y.cost, x.group, x.begin) < std::tie(x.cost, y.group, y.begin);
    });
    const auto multiply = [this](std::int64_t i, int /*worker*/) {
      const Item& item = items_[static_cast<std::size_t>(i)];
      const auto multiply_part = item.cut == Cut::rows ? multiply_rows : multiply_columns;
      multiply_part(product_of_(item.group), item.begin, item.end);
    };
    const auto count = static_cast<std::int64_t>(num_items_);
    // The blocks of one product are alike, and what comes next reads their rows side by side.
    num_groups_ == 1 ? workers_.for_each_near(count, multiply) : workers_.for_each(count, multiply);
    num_items_ = 0;
  }

  /// @param cost  of one row or column
  void add(std::int64_t group, Cut cut, std::int64_t extent, std::int64_t block,
           std::int64_t cost) {
    for (std::int64_t begin = 0; begin < extent; begin += block) {
      const std::int64_t end = std::min(extent, begin + block);
      items_[num_items_++] = {group, cut, begin, end, (end - begin) * cost};
      if (num_items_ == items_.size()) run_gathered();
    }
  }

  Workers& workers_;
  std::int64_t num_groups_;
  const ProductOf& product_of_;
  std::array<Item, 256> items_;
  std::size_t num_items_ = 0;
};

/// Runs product_of(group) for every group.
template <class ProductOf>
void multiply_groups(Workers& workers, std::int64_t num_groups, const ProductOf& product_of) {
  LargestFirst<ProductOf>(workers, num_groups, product_of).run();
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

void grouped_gemm(const GroupedGemmArguments& arguments, Arena& /*scratch*/, Stream& stream) {
  stream.run([arguments, workers = &stream.workers()] {
    const auto& [rows, weights, out, transpose_weights, row_begin, runs] = arguments;
    const std::int64_t k = rows.dim(1);
    const std::int64_t n = out.dim(1);
    multiply_groups(*workers, weights.dim(0) * runs, [&](std::int64_t number) {
      const std::int64_t begin = row_begin[static_cast<std::size_t>(number)];
      const std::int64_t end = row_begin[static_cast<std::size_t>(number) + 1];
      const std::int64_t group = number / runs;
      return Product{
          .extents = {.m = end - begin, .n = n, .k = k},
          .a = {rows.as<float>().data() + begin * k, k},
          .b = {weights.as<float>().data() + group * n * k, weights.dim(2), transpose_weights},
          .c = out.as<float>().data() + begin * n};
    });
  });
}

void grouped_gemm_weight(const GroupedGemmWeightArguments& arguments, Arena& /*scratch*/,
                         Stream& stream) {
  stream.run([arguments, workers = &stream.workers()] {
    const auto& [d_out, rows, d_weights, beta, row_begin, runs, run] = arguments;
    const std::int64_t n = d_out.dim(1);
    const std::int64_t k = rows.dim(1);
    multiply_groups(*workers, d_weights.dim(0), [&](std::int64_t group) {
      const auto number = static_cast<std::size_t>(group * runs + run);
      const std::int64_t begin = row_begin[number];
      const std::int64_t end = row_begin[number + 1];
      return Product{
          .extents = {.m = n, .n = k, .k = end - begin, .beta = static_cast<float>(beta)},
          .a = {d_out.as<float>().data() + begin * n, n, Transpose::yes},
          .b = {rows.as<float>().data() + begin * k, k},
          .c = d_weights.as<float>().data() + group * n * k};
    });
  });
}

}  // namespace softmoe::ops::cpu
