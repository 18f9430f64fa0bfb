#include "runtime/ops/cpu/packed_product.h"

#include <gmock/gmock.h>

#include <vector>

#include "tests/support/numbers.h"

namespace softmoe::ops::cpu {
namespace {

using testing::ElementsAreArray;

constexpr float kAlpha = 0.5F;
constexpr float kUntouched = 77.0F;

/// Rows further apart than they are long. Integers from -4 to 4: every order of sums of some
/// hundred products gives the same.
struct Matrix {
  std::int64_t rows;
  std::int64_t columns;
  std::int64_t stride;
  std::vector<float> numbers;

  [[nodiscard]] float at(std::int64_t row, std::int64_t column) const {
    return numbers[static_cast<std::size_t>(row * stride + column)];
  }
};

Matrix matrix(std::int64_t rows, std::int64_t columns, std::uint64_t seed) {
  Matrix matrix{.rows = rows, .columns = columns, .stride = columns + 5, .numbers = {}};
  for (const std::int32_t number : test::integers(rows * matrix.stride, 9, seed))
    matrix.numbers.push_back(static_cast<float>(number - 4));
  return matrix;
}

float element_of_product(const Matrix& a, const Matrix& b, std::int64_t i, std::int64_t j) {
  float sum = 0;
  for (std::int64_t t = 0; t < a.columns; ++t) sum += a.at(i, t) * b.at(j, t);
  return kAlpha * sum;
}

void expect_product(std::int64_t m, std::int64_t n, std::int64_t k) {
  SCOPED_TRACE(testing::Message() << m << " x " << n << " x " << k);
  const Matrix a = matrix(m, k, 1);
  const Matrix b = matrix(n, k, 2);
  // A line more than the result, which stays.
  std::vector<float> c(static_cast<std::size_t>(m * n + 16), kUntouched);
  const Product product{.extents = {.m = m, .n = n, .k = k, .alpha = kAlpha},
                        .a = {a.numbers.data(), a.stride},
                        .b = {b.numbers.data(), b.stride, Transpose::yes},
                        .c = c.data()};
  ASSERT_TRUE(can_be_packed(product.extents));

  multiply_packed(product);

  std::vector<float> expected(c.size(), kUntouched);
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < n; ++j)
      expected[static_cast<std::size_t>(i * n + j)] = element_of_product(a, b, i, j);
  }
  EXPECT_THAT(c, ElementsAreArray(expected));
}

TEST(PackedProduct, IsTheSumOfProducts) {
  // Every way in which rows make blocks; one panel of columns and several.
  for (std::int64_t m = 16; m <= 60; ++m) expect_product(m, m % 2 == 0 ? 32 : 96, 16);
}

TEST(PackedProduct, AddsPanelsOfManyTerms) {
  for (const std::int64_t k : {240, 256, 272, 512, 528}) expect_product(19, 64, k);
}

TEST(PackedProduct, TakesAsManyRowsAsItsCopyHolds) {
  constexpr std::int64_t kTerms = 256;
  std::int64_t most = 16;
  while (can_be_packed({.m = most + 1, .n = 32, .k = kTerms})) ++most;

  expect_product(most, 32, kTerms);
  EXPECT_GE(most, 96);
}

TEST(PackedProduct, LeavesWhatItsBlocksDoNotCover) {
  EXPECT_TRUE(can_be_packed({.m = 16, .n = 32, .k = 16}));
  EXPECT_FALSE(can_be_packed({.m = 15, .n = 32, .k = 16}));
  EXPECT_FALSE(can_be_packed({.m = 16, .n = 33, .k = 16}));
  EXPECT_FALSE(can_be_packed({.m = 16, .n = 32, .k = 17}));
  EXPECT_FALSE(can_be_packed({.m = 16, .n = 32, .k = 0}));
}

}  // namespace
}  // namespace softmoe::ops::cpu
