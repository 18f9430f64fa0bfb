#include "runtime/ops/exact_sum.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "tests/support/numbers.h"
#include "tests/support/on_device.h"

namespace softmoe::ops {
namespace {

using test::OnDevice;

/// Terms from 2^-60 to 2^60 of both signs.
std::vector<double> wild_terms(int count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<double> terms;
  for (int i = 0; i < count; ++i) {
    const double size =
        std::ldexp(static_cast<double>(random() % 1000003), static_cast<int>(random() % 100) - 60);
    terms.push_back(random() % 2 == 0 ? size : -size);
  }
  return terms;
}

View<std::int64_t> zero_sum(OnDevice& on) {
  return on.upload(std::vector<std::int64_t>(kExactIntegers));
}

double value_of(OnDevice& on, View<std::int64_t> sum_5) {
  const View<double> value = on.upload<double>({0.0});
  exact_value(sum_5, value, on.stream);
  return on.download(value)[0];
}

double sum_of(OnDevice& on, const std::vector<double>& terms) {
  const View<std::int64_t> sum_5 = zero_sum(on);
  for (const double term : terms) exact_add(on.upload<double>({term}), sum_5, on.stream);
  return value_of(on, sum_5);
}

TEST(ExactSum, AddsSmallNumbersByHand) {
  OnDevice on;

  EXPECT_EQ(sum_of(on, {}), 0.0);
  EXPECT_EQ(sum_of(on, {1.5, 2.25}), 3.75);
  EXPECT_EQ(sum_of(on, {-1.5, 0.25}), -1.25);
  EXPECT_EQ(sum_of(on, {0x1p62, 1.0, -0x1p62}), 1.0);
  EXPECT_EQ(sum_of(on, {0x1p-64, -0x1p40, 0x1p40}), 0x1p-64);
  EXPECT_EQ(sum_of(on, {-0x1p-64}), -0x1p-64);
}

TEST(ExactSum, DoesNotDependOnTheOrder) {
  OnDevice on;
  std::vector<double> terms = wild_terms(300, 1);
  const double expected = sum_of(on, terms);
  std::mt19937_64 random(2);

  for (int draw = 0; draw < 10; ++draw) {
    std::shuffle(terms.begin(), terms.end(), random);
    EXPECT_EQ(sum_of(on, terms), expected);
  }
}

TEST(ExactSum, IsTheSameHoweverItsTermsAreSpread) {
  OnDevice on;
  const std::vector<double> terms = wild_terms(100, 3);
  const double expected = sum_of(on, terms);

  for (const std::size_t parts : {2U, 3U, 7U}) {
    std::vector<std::int64_t> total(kExactIntegers);
    for (std::size_t part = 0; part < parts; ++part) {
      const View<std::int64_t> sum_5 = zero_sum(on);
      for (std::size_t i = part; i < terms.size(); i += parts)
        exact_add(on.upload<double>({terms[i]}), sum_5, on.stream);
      const std::vector<std::int64_t> integers = on.download(sum_5);
      std::transform(total.begin(), total.end(), integers.begin(), total.begin(), std::plus<>());
    }
    EXPECT_EQ(value_of(on, on.upload(total)), expected);
  }
}

TEST(ExactSum, IsNearTheSumInLongDouble) {
  OnDevice on;
  const std::vector<double> terms = wild_terms(1000, 4);
  long double expected = 0;
  long double size = 0;
  for (const double term : terms) {
    expected += static_cast<long double>(term);
    size += std::abs(static_cast<long double>(term));
  }

  EXPECT_NEAR(sum_of(on, terms), static_cast<double>(expected), 1e-16 * static_cast<double>(size));
}

TEST(ExactSum, IsNotANumberOnceATermIsNotOrTooLarge) {
  OnDevice on;
  for (const double bad :
       {std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity(),
        std::numeric_limits<double>::quiet_NaN(), 0x1p63, -0x1p63}) {
    EXPECT_TRUE(std::isnan(sum_of(on, {1.0, bad, 2.0}))) << bad;
  }
}

TEST(ExactSum, SquaresAreTheSameOnVectorsAndOnTheSpecification) {
  for (const std::int64_t size : {0, 1, 3, 8, 17, 32768, 100003}) {
    SCOPED_TRACE(size);
    std::vector<float> numbers = test::normal_numbers<float>(size, 9);
    for (std::size_t i = 0; i < numbers.size(); ++i)
      numbers[i] = std::ldexp(numbers[i], static_cast<int>(i % 60) - 36);
    std::vector<double> values;
    for (const auto& [backend, threads] : {std::pair{Backend::reference, 1},
                                           {Backend::cpu, 1},
                                           {Backend::cpu, 2},
                                           {Backend::cpu, 3}}) {
      OnDevice on(backend, threads);
      const View<std::int64_t> sum_5 = zero_sum(on);
      exact_add_squares(on.upload(numbers, {size}), sum_5, on.stream);
      values.push_back(value_of(on, sum_5));
    }

    EXPECT_THAT(values, testing::Each(values.front()));
    const double expected = std::accumulate(
        numbers.begin(), numbers.end(), 0.0,
        [](double sum, float number) { return sum + double{number} * double{number}; });
    // Half a place of each square, and what the f64 sum itself is off.
    EXPECT_NEAR(values.front(), expected, static_cast<double>(size) * 0x1p-65 + 1e-11 * expected);
  }
}

TEST(ExactSum, SquaresDoNotDependOnWhereTheyAreCut) {
  OnDevice on(Backend::cpu, 2);
  const std::int64_t size = 50001;
  const TensorView numbers = on.upload(test::normal_numbers<float>(size, 10), {size});
  const View<std::int64_t> whole = zero_sum(on);
  exact_add_squares(numbers, whole, on.stream);

  for (const std::int64_t cut : {1, 5, 12345, 50000}) {
    const View<std::int64_t> parts = zero_sum(on);
    exact_add_squares(numbers.rows(cut, size), parts, on.stream);
    exact_add_squares(numbers.rows(0, cut), parts, on.stream);
    EXPECT_EQ(value_of(on, parts), value_of(on, whole));
  }
}

TEST(ExactSum, SquaresThatAreTooLargeAreMissed) {
  for (const Backend backend : {Backend::reference, Backend::cpu}) {
    OnDevice on(backend);
    for (const float bad : {0x1p32F, std::numeric_limits<float>::quiet_NaN()}) {
      const View<std::int64_t> sum_5 = zero_sum(on);
      std::vector<float> numbers(100, 1.0F);
      numbers[50] = bad;
      exact_add_squares(on.upload(numbers, {100}), sum_5, on.stream);
      EXPECT_TRUE(std::isnan(value_of(on, sum_5)));
    }
  }
}

TEST(ExactSum, HasRoomForManySquares) {
  OnDevice on;
  const std::int64_t size = 1 << 20;
  const View<std::int64_t> sum_5 = zero_sum(on);

  exact_add_squares(on.upload(std::vector<float>(size, 0x1.fffffep30F), {size}), sum_5, on.stream);

  EXPECT_EQ(value_of(on, sum_5), 0x1.fffffep30 * 0x1.fffffep30 * static_cast<double>(size));
}

}  // namespace
}  // namespace softmoe::ops
