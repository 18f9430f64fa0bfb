#include "runtime/ops/cpu/packed_product.h"

#include <algorithm>
#include <array>
#include <utility>

#include "runtime/ops/cpu/tile_product.h"
#include "runtime/ops/cpu/vec.h"

namespace softmoe::ops::cpu {

namespace {

/// Vectors of a block's columns: a panel of so many columns and some hundred terms stays in the
/// first cache.
constexpr int kVectors = 2;
constexpr std::int64_t kColumns = kVectors * kLanes;
/// Rows of a block. Its sums, a row of the panel and an element have to fit into the registers: 32
/// where vectors have sixteen lanes, else 16.
constexpr int kRows = kLanes == 16 ? 14 : 6;

/// Terms of a panel.
constexpr std::int64_t kTerms = 256;
/// Numbers of the rows that are copied, at most.
constexpr std::int64_t kMostCopied = 19 * kRows * kTerms;

/// Floats of a cache line.
constexpr std::int64_t kLine = 16;

/// A part of B as it lies in memory.
struct Source {
  const float* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t stride = 0;
};

/// What is multiplied next, fetched line by line meanwhile.
class Fetching {
 public:
  /// @param calls  of next() in which all of it is fetched
  Fetching(const Source& source, std::int64_t calls)
      : source_(source), at_once_((source.rows * lines_of_row() + calls - 1) / calls) {}

  void next() {
    for (std::int64_t i = 0; i < at_once_ && row_ < source_.rows; ++i) {
      __builtin_prefetch(source_.data + row_ * source_.stride + line_ * kLine, /*rw=*/0,
                         /*locality=*/2);
      if (++line_ < lines_of_row()) continue;
      line_ = 0;
      ++row_;
    }
  }

 private:
  [[nodiscard]] std::int64_t lines_of_row() const { return (source_.columns + kLine - 1) / kLine; }

  Source source_;
  std::int64_t at_once_;
  std::int64_t row_ = 0;
  std::int64_t line_ = 0;
};

/// Terms between two calls of Fetching::next().
constexpr std::int64_t kTermsOfFetch = 8;

/// result(i, vector v) = sum over t of factor[t * kRows + i] * vector v of panel[t], for kUsed of
/// the rows, after what it was if `adds`.
template <int kUsed>
void multiply_block(const float* factor, const float* panel, std::int64_t terms, bool adds,
                    Fetching& fetching, const TileResult& result) {
  std::array<std::array<Vec, kVectors>, kUsed> sum{};
#pragma GCC unroll 14
  for (int i = 0; i < kUsed; ++i) {
    for (std::int64_t column = 0; column < kColumns; column += kLine)
      __builtin_prefetch(result.data + i * result.stride + column, /*rw=*/1);
  }
  for (std::int64_t t = 0; t < terms; ++t) {
    if (t % kTermsOfFetch == 0) fetching.next();
    std::array<Vec, kVectors> row;
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) row[v] = load(panel + t * kColumns + v * kLanes, Full{});
#pragma GCC unroll 14
    for (int i = 0; i < kUsed; ++i) {
      const Vec element = all(factor[t * kRows + i]);
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) sum[i][v] += element * row[v];
    }
  }
#pragma GCC unroll 14
  for (int i = 0; i < kUsed; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      float* const to = result.data + i * result.stride + v * kLanes;
      store(adds ? load(to, Full{}) + sum[i][v] : sum[i][v], to, Full{});
    }
  }
}

/// The same for so many rows.
/// @param rows  1 to kRows
void multiply_rows(std::int64_t rows, const float* factor, const float* panel, std::int64_t terms,
                   bool adds, Fetching& fetching, const TileResult& result) {
  const auto multiply_one_of = [&]<int... kFewer>(std::integer_sequence<int, kFewer...>) {
    ((rows == kFewer + 1 ? multiply_block<kFewer + 1>(factor, panel, terms, adds, fetching, result)
                         : void()),
     ...);
  };
  multiply_one_of(std::make_integer_sequence<int, kRows>());
}

/// Rows that each block takes: as equally many as they can be.
std::int64_t rows_of_block(std::int64_t m) {
  const std::int64_t blocks = (m + kRows - 1) / kRows;
  return (m + blocks - 1) / blocks;
}

/// Terms [first, first + terms) of the kColumns columns from `column` on; none beyond the last.
Source source_of(const Product& product, std::int64_t column, std::int64_t first) {
  if (column >= product.extents.n) return {};
  const std::int64_t terms = std::min(kTerms, product.extents.k - first);
  return {.data = product.b.data + column * product.b.stride + first,
          .rows = kColumns,
          .columns = terms,
          .stride = product.b.stride};
}

}  // namespace

bool can_be_packed(const BlasProduct& extents) {
  const auto [m, n, k, alpha, beta] = extents;
  constexpr std::int64_t kFewestRows = 16;
  return m >= kFewestRows && (m + kRows) * k <= kMostCopied && n % kColumns == 0 &&
         k % kLanes == 0 && k > 0;
}

void multiply_packed(const Product& product) {
  // A copy of a whole vector ends in the next term's place.
  alignas(64) std::array<float, kMostCopied + kLanes> factor;
  alignas(64) std::array<float, kTerms * kColumns> panel;
  const auto [m, n, k, alpha, beta] = product.extents;
  const std::int64_t step = rows_of_block(m);
  const std::int64_t blocks = (m + step - 1) / step;
  for (std::int64_t block = 0; block < blocks; ++block) {
    const std::int64_t row = block * step;
    transpose_tile({product.a.data + row * product.a.stride, product.a.stride},
                   std::min<std::int64_t>(kLanes, m - row), k, alpha,
                   {factor.data() + block * kRows * k, kRows}, kLanes);
  }
  for (std::int64_t column = 0; column < n; column += kColumns) {
    for (std::int64_t first = 0; first < k; first += kTerms) {
      const Source source = source_of(product, column, first);
      transpose_tile({source.data, source.stride}, kColumns, source.columns, 1.0F,
                     {panel.data(), kColumns}, kColumns);
      const bool is_last = first + kTerms >= k;
      Fetching fetching(is_last ? source_of(product, column + kColumns, 0)
                                : source_of(product, column, first + kTerms),
                        blocks * ((source.columns + kTermsOfFetch - 1) / kTermsOfFetch));
      for (std::int64_t block = 0; block < blocks; ++block) {
        const std::int64_t row = block * step;
        multiply_rows(std::min(step, m - row), factor.data() + (block * k + first) * kRows,
                      panel.data(), source.columns, /*adds=*/first > 0, fetching,
                      {product.c + row * n + column, n});
      }
    }
  }
}

}  // namespace softmoe::ops::cpu
