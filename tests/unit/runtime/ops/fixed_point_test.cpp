#include "runtime/ops/fixed_point.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <limits>
#include <random>

#include "tests/support/numbers.h"
#include "tests/support/on_device.h"

namespace softmoe::ops {
namespace {

using test::OnDevice;
using testing::Each;
using testing::ElementsAre;

constexpr FixedPoint kFormat{.bits = 40, .limit = 0x1p20};

struct Sum {
  std::vector<std::int64_t> integers;
  std::int64_t overflow = 0;
  friend bool operator==(const Sum&, const Sum&) = default;
};

/// The contributions added one after the other.
template <class T>
Sum sum_of(OnDevice& on, const std::vector<std::vector<T>>& contributions, FixedPoint format) {
  const auto size = static_cast<std::int64_t>(contributions.front().size());
  const View<std::int64_t> target =
      on.upload(std::vector<std::int64_t>(contributions.front().size()));
  const View<std::int64_t> overflow = on.upload<std::int64_t>({0});
  for (const std::vector<T>& contribution : contributions) {
    add_fixed({.source = on.upload(contribution, {size}),
               .target = target,
               .format = format,
               .overflow = overflow},
              on.stream);
  }
  return {on.download(target), on.download(overflow)[0]};
}

/// Heavy-tailed numbers of both signs: from 2^-45 to 2^19.
std::vector<float> wild_numbers(std::int64_t count, std::uint64_t seed) {
  std::vector<float> numbers = test::normal_numbers<float>(count, seed);
  std::mt19937_64 random(seed);
  for (float& number : numbers) {
    number = std::ldexp(std::clamp(number, -2.0F, 2.0F), static_cast<int>(random() % 64) - 46);
  }
  return numbers;
}

TEST(FixedPoint, RoundsToTheNearestWithTiesToEven) {
  OnDevice on;
  const FixedPoint halves{.bits = 0, .limit = 0x1p40};

  const Sum sum =
      sum_of<float>(on, {{0.5F, 1.5F, 2.5F, -0.5F, -1.5F, 0.75F, -2.25F, 0x1p35F}}, halves);

  EXPECT_THAT(sum.integers, ElementsAre(0, 2, 2, 0, -2, 1, -2, std::int64_t{1} << 35));
  EXPECT_EQ(sum.overflow, 0);
}

TEST(FixedPoint, AddsTheSameIntegersOnVectorsAndOnTheSpecification) {
  for (const std::int64_t size : {1, 3, 4, 7, 8, 33, 32768, 70001}) {
    SCOPED_TRACE(size);
    OnDevice specification(Backend::reference);
    OnDevice vectors(Backend::cpu, 1);
    OnDevice threads(Backend::cpu, 3);
    std::vector<std::vector<float>> contributions;
    for (std::uint64_t seed = 1; seed <= 3; ++seed)
      contributions.push_back(wild_numbers(size, seed));
    contributions[1][0] = 0x1p20F;  // at the limit
    contributions[2].back() = std::numeric_limits<float>::quiet_NaN();

    const Sum expected = sum_of(specification, contributions, kFormat);

    EXPECT_EQ(expected.overflow, 2);
    EXPECT_EQ(sum_of(vectors, contributions, kFormat), expected);
    EXPECT_EQ(sum_of(threads, contributions, kFormat), expected);
  }
}

TEST(FixedPoint, SumsDoNotDependOnTheOrder) {
  OnDevice on;
  std::vector<std::vector<float>> contributions;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) contributions.push_back(wild_numbers(500, seed));
  const Sum expected = sum_of(on, contributions, kFormat);
  std::mt19937_64 random(5);

  for (int draw = 0; draw < 10; ++draw) {
    std::shuffle(contributions.begin(), contributions.end(), random);
    EXPECT_EQ(sum_of(on, contributions, kFormat), expected);
  }
}

TEST(FixedPoint, PartialSumsAddUpToTheSameSum) {
  OnDevice on;
  std::vector<std::vector<float>> all;
  for (std::uint64_t seed = 1; seed <= 6; ++seed) all.push_back(wild_numbers(100, seed));
  const Sum expected = sum_of(on, all, kFormat);

  for (std::ptrdiff_t cut = 1; cut < 6; ++cut) {
    Sum first = sum_of<float>(on, {all.begin(), all.begin() + cut}, kFormat);
    const Sum second = sum_of<float>(on, {all.begin() + cut, all.end()}, kFormat);
    for (std::size_t i = 0; i < first.integers.size(); ++i) first.integers[i] += second.integers[i];
    EXPECT_EQ(first.integers, expected.integers);
  }
}

TEST(FixedPoint, IsOffByHalfAPlaceForEachContributionAtMost) {
  OnDevice on;
  std::vector<std::vector<float>> contributions;
  for (std::uint64_t seed = 1; seed <= 8; ++seed)
    contributions.push_back(test::normal_numbers<float>(1000, seed));

  const Sum sum = sum_of(on, contributions, kFormat);
  const TensorView numbers = on.saved.push(DType::f64, {1000});
  from_fixed(on.upload(sum.integers), kFormat, numbers, on.stream);

  const std::vector<double> values = on.download<double>(numbers);
  for (std::size_t i = 0; i < values.size(); ++i) {
    double expected = 0;
    for (const auto& contribution : contributions) expected += double{contribution[i]};
    EXPECT_NEAR(values[i], expected, 8 * 0.5 * kFormat.unit());
  }
}

TEST(FixedPoint, CountsWhatDoesNotFitAndLeavesItOut) {
  OnDevice on;
  const float infinity = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();

  const Sum sum = sum_of<float>(
      on, {{infinity, -infinity, nan, 0x1p20F, -0x1p20F, 0x1p60F, 0x1.fp19F}}, kFormat);

  EXPECT_EQ(sum.overflow, 6);
  EXPECT_THAT(std::vector(sum.integers.begin(), sum.integers.end() - 1), Each(0));
  EXPECT_EQ(sum.integers.back(), static_cast<std::int64_t>(0x1.fp59));
}

TEST(FixedPoint, TakesDoublesToo) {
  OnDevice on;

  const Sum sum = sum_of<double>(on, {{1.0 / 3, -1e5}, {1.0 / 3, 1.0}}, kFormat);

  EXPECT_THAT(sum.integers,
              ElementsAre(2 * std::int64_t{366503875925}, -99999 * (std::int64_t{1} << 40)));
}

TEST(FixedPoint, ComesBackAsTheNearestFloatOfTheDouble) {
  for (const Backend backend : {Backend::reference, Backend::cpu}) {
    OnDevice on(backend);
    const TensorView numbers = on.saved.push(DType::f32, {4});
    const std::int64_t one = std::int64_t{1} << 40;

    from_fixed(on.upload<std::int64_t>({one, -3 * one / 2, one + 1, 0}), kFormat, numbers,
               on.stream);

    EXPECT_THAT(on.download<float>(numbers), ElementsAre(1.0F, -1.5F, 1.0F, 0.0F));
  }
}

TEST(FixedPoint, RefusesSizesThatDoNotFit) {
  OnDevice on;
  const TensorView three = on.upload<float>({1, 2, 3}, {3});
  const View<std::int64_t> two = on.upload<std::int64_t>({0, 0});
  const View<std::int64_t> one = two.part(0, 1);

  EXPECT_THROW(
      add_fixed({.source = three, .target = two, .format = kFormat, .overflow = one}, on.stream),
      InvalidArgument);
  EXPECT_THROW(from_fixed(two, kFormat, three, on.stream), InvalidArgument);
}

}  // namespace
}  // namespace softmoe::ops
