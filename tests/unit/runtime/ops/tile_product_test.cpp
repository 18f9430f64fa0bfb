#include "runtime/ops/cpu/tile_product.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "runtime/ops/cpu/vec.h"
#include "tests/support/numbers.h"

namespace softmoe::ops::cpu {
namespace {

using testing::Each;

/// Rows and terms around a block, columns around vectors.
constexpr std::int64_t kRowCounts[] = {0, 1, 5, 6, 7, 8, 13, 64};
constexpr std::int64_t kColumnCounts[] = {
    1, kLanes - 1, kLanes, 2 * kLanes, 3 * kLanes + 2, 4 * kLanes, 7 * kLanes + 1};
constexpr std::int64_t kTerms = 19;
constexpr std::int64_t kStride = 8 * kLanes + 3;
constexpr float kUntouched = 77.0F;

/// Integers from -4 to 4: every order of their sums gives the same.
std::vector<float> small_numbers(std::int64_t count, std::uint64_t seed) {
  std::vector<float> numbers;
  for (const std::int32_t number : test::integers(count, 9, seed)) {
    numbers.push_back(static_cast<float>(number - 4));
  }
  return numbers;
}

/// Whether row i needs the term.
bool needs(const TileTerms& terms, std::int64_t i, std::int64_t t) {
  return t >= terms.begin + i && t < terms.end + i && t < terms.count;
}

/// 0 where a row does not need the term.
std::vector<float> factor_of(const TileTerms& terms, std::int64_t rows) {
  std::vector<float> factor = small_numbers(rows * kTerms, 1);
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t t = 0; t < kTerms; ++t) {
      if (!needs(terms, i, t)) factor[static_cast<std::size_t>(i * kTerms + t)] = 0;
    }
  }
  return factor;
}

std::vector<float> transposed(const std::vector<float>& from, std::int64_t rows) {
  std::vector<float> to(from.size());
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t t = 0; t < kTerms; ++t) {
      to[static_cast<std::size_t>(t * rows + i)] = from[static_cast<std::size_t>(i * kTerms + t)];
    }
  }
  return to;
}

void expect_product(std::int64_t rows, std::int64_t columns, const TileTerms& terms, bool adds) {
  const std::vector<float> factor = factor_of(terms, rows);
  const std::vector<float> turned = transposed(factor, rows);
  const std::vector<float> matrix = small_numbers(kTerms * kStride, 2);
  std::vector<float> expected(static_cast<std::size_t>((rows + 1) * kStride), kUntouched);
  std::vector<float> by_rows = expected;
  std::vector<float> by_columns = expected;
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) {
      float& sum = expected[static_cast<std::size_t>(i * kStride + j)];
      if (!adds) sum = 0;
      for (std::int64_t t = 0; t < terms.count; ++t) {
        sum += factor[static_cast<std::size_t>(i * kTerms + t)] *
               matrix[static_cast<std::size_t>(t * kStride + j)];
      }
    }
  }
  const TileExtents extents{.rows = rows, .columns = columns, .terms = terms, .adds = adds};

  multiply_tile(extents, {factor.data(), kTerms, 1}, {matrix.data(), kStride},
                {by_rows.data(), kStride});
  multiply_tile(extents, {turned.data(), 1, rows}, {matrix.data(), kStride},
                {by_columns.data(), kStride});

  EXPECT_EQ(by_rows, expected) << rows << " x " << columns;
  EXPECT_EQ(by_columns, expected) << rows << " x " << columns << ", factor by columns";
}

TEST(TileProduct, IsTheProductInAllExtents) {
  for (const std::int64_t rows : kRowCounts) {
    for (const std::int64_t columns : kColumnCounts) {
      expect_product(rows, columns, {.count = kTerms}, /*adds=*/false);
      expect_product(rows, columns, {.count = kTerms}, /*adds=*/true);
      expect_product(rows, columns, {.count = 0}, /*adds=*/false);
    }
  }
}

TEST(TileProduct, TakesTheTermsOfADiagonal) {
  for (const std::int64_t shift : {-70, -9, -1, 0, 1, 4, 19, 30}) {
    for (const std::int64_t rows : kRowCounts) {
      expect_product(rows, 2 * kLanes, {.count = kTerms, .begin = shift}, /*adds=*/true);
      expect_product(rows, 2 * kLanes, {.count = kTerms, .end = shift}, /*adds=*/false);
    }
  }
}

TEST(TileProduct, ReadsNoTermsThatNoRowOfABlockNeeds) {
  // A row needs terms up to its own number; from the block's last row on they are NaN.
  const std::int64_t rows = 2 * kTileRows;
  std::vector<float> factor(static_cast<std::size_t>(rows * kTerms), 1.0F);
  for (std::int64_t i = 0; i < rows; ++i) {
    const std::int64_t first_unread = i + kTileRows;
    for (std::int64_t t = first_unread; t < kTerms; ++t) {
      factor[static_cast<std::size_t>(i * kTerms + t)] = std::numeric_limits<float>::quiet_NaN();
    }
  }
  const std::vector<float> matrix(static_cast<std::size_t>(kTerms * kLanes), 1.0F);
  std::vector<float> result(static_cast<std::size_t>(rows * kLanes));

  multiply_tile(
      {.rows = rows, .columns = kLanes, .terms = {.count = kTerms, .end = 1}, .adds = false},
      {factor.data(), kTerms, 1}, {matrix.data(), kLanes}, {result.data(), kLanes});

  EXPECT_TRUE(std::none_of(result.begin(), result.end(), [](float x) { return std::isnan(x); }));
}

TEST(TransposeTile, SwapsScalesAndFillsWithZeros) {
  for (const std::int64_t rows : {1, kLanes - 1, kLanes, 2 * kLanes + 3}) {
    for (const std::int64_t width : {rows, rows + 1, rows + kLanes}) {
      for (const std::int64_t columns : kColumnCounts) {
        const std::vector<float> from = small_numbers(rows * kStride, 3);
        std::vector<float> expected(static_cast<std::size_t>((columns + 1) * kStride), kUntouched);
        std::vector<float> actual = expected;
        for (std::int64_t column = 0; column < columns; ++column) {
          for (std::int64_t row = 0; row < width; ++row) {
            expected[static_cast<std::size_t>(column * kStride + row)] =
                row < rows ? 0.5F * from[static_cast<std::size_t>(row * kStride + column)] : 0.0F;
          }
        }

        transpose_tile({from.data(), kStride}, rows, columns, 0.5F, {actual.data(), kStride},
                       width);

        EXPECT_EQ(actual, expected) << rows << " x " << columns << ", width " << width;
      }
    }
  }
}

}  // namespace
}  // namespace softmoe::ops::cpu
