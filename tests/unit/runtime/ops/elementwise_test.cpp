#include "runtime/ops/elementwise.h"

#include "tests/support/numbers.h"
#include "tests/unit/runtime/ops/everywhere.h"

namespace softmoe::ops {
namespace {

using test::as_type;
using test::Everywhere;
using test::normal_numbers;
using test::OnDevice;
using testing::Each;
using testing::ElementsAre;

TEST(FillZero, OverwritesEveryByteOfAnyType) {
  for (const Backend backend : {Backend::reference, Backend::cpu}) {
    OnDevice device(backend);
    for (const std::int64_t size : {0, 1, 65, 200'000}) {
      const auto indices = device.saved.push<std::int32_t>(size);

      fill_zero({indices, {size}}, device.stream);

      EXPECT_THAT(device.download(indices), Each(0));
    }
  }
}

TEST(Copy, CopiesAnyType) {
  Everywhere everywhere;
  for (const std::int64_t size : {0, 1, 255, 200'000}) {
    const auto numbers = normal_numbers<float>(size, 1);
    everywhere.expect_same(
        [&](OnDevice& device) {
          const TensorView target = device.saved.push(DType::f32, {size});
          ops::copy(device.upload(numbers, {size}), target, device.stream);
          return device.download<float>(target);
        },
        {.relative = 0, .absolute = 0, .reason = "a copy is exact"});
  }
}

TEST(Copy, RefusesAnotherTypeOrSize) {
  OnDevice device;
  const TensorView two = device.saved.push(DType::f32, {2});

  EXPECT_THROW(ops::copy(two, device.saved.push(DType::f32, {3}), device.stream), InvalidArgument);
  EXPECT_THROW(ops::copy(two, device.saved.push(DType::i32, {2}), device.stream), InvalidArgument);
}

TEST(Add, AddsExactlyOnSmallIntegers) {
  for (const Backend backend : {Backend::reference, Backend::cpu}) {
    OnDevice device(backend);
    const TensorView target = device.upload<float>({1, 2, 3}, {3});

    add(device.upload<float>({10, 20, 30}, {3}), target, device.stream);

    EXPECT_THAT(device.download<float>(target), ElementsAre(11, 22, 33));
  }
}

TEST(Add, IsTheSameEverywhere) {
  Everywhere everywhere;
  for (const std::int64_t size : {0, 1, 17, 255, 100'001}) {
    everywhere.expect_same(
        [&](OnDevice& device) {
          const TensorView target = device.upload(normal_numbers<float>(size, 1), {size});
          add(device.upload(normal_numbers<float>(size, 2), {size}), target, device.stream);
          return device.download<float>(target);
        },
        {.relative = 0, .absolute = 0, .reason = "one fp32 addition is exactly rounded"});
  }
}

TEST(Add, RoundsBf16Once) {
  OnDevice device(Backend::reference);
  const TensorView target = device.upload<Bf16>({Bf16(1.0F), Bf16(256.0F)}, {2});

  add(device.upload<Bf16>({Bf16(2.0F), Bf16(1.0F)}, {2}), target, device.stream);

  EXPECT_THAT(as_type<float>(device.download<Bf16>(target)), ElementsAre(3.0F, 256.0F));
}

double sum_on(OnDevice& device, const std::vector<float>& numbers) {
  const View<double> result = device.saved.push<double>(1);
  sum(device.upload(numbers, {static_cast<std::int64_t>(numbers.size())}), result, device.stream);
  return device.download(result)[0];
}

TEST(Sum, KeepsSmallTermsBesideLargeOnes) {
  for (const Backend backend : {Backend::reference, Backend::cpu}) {
    OnDevice device(backend);
    // In fp32, 2^25 swallows every 1.
    std::vector<float> numbers(1001, 1.0F);
    numbers[0] = 0x1p25F;

    EXPECT_EQ(sum_on(device, numbers), 0x1p25 + 1000);
  }
}

TEST(Sum, OfNothingIsZero) {
  for (const Backend backend : {Backend::reference, Backend::cpu}) {
    OnDevice device(backend);

    EXPECT_EQ(sum_on(device, {}), 0.0);
  }
}

TEST(SumSquares, HasTheSameBitsForAnyNumberOfWorkers) {
  // More than the 256 blocks whose sums are kept at a time would take seconds under a sanitizer;
  // 300,000 elements are 19 blocks with a rest.
  const auto numbers = normal_numbers<float>(300'001, 3);
  std::vector<double> sums;
  for (const int num_threads : {1, 2, 3}) {
    OnDevice device(Backend::cpu, num_threads);
    const View<double> result = device.saved.push<double>(1);
    sum_squares(device.upload(numbers, {300'001}), result, device.stream);
    sums.push_back(device.download(result)[0]);
  }
  double expected = 0;
  for (const float number : numbers) expected += double{number} * double{number};

  EXPECT_THAT(sums, Each(sums[0]));
  EXPECT_TRUE(test::near(sums, std::vector<double>(3, expected), test::kF64Rounding));
}

TEST(SumSquares, CarriesOverFromWaveToWave) {
  OnDevice device;
  constexpr std::int64_t kMoreThanOneWave = 256 * 16384 + 5;
  const TensorView ones = device.saved.push(DType::f32, {kMoreThanOneWave});
  device.stream.run([ones] { std::ranges::fill(ones.as<float>().span(), 1.0F); });
  const View<double> result = device.saved.push<double>(1);

  sum_squares(ones, result, device.stream);

  EXPECT_EQ(device.download(result)[0], static_cast<double>(kMoreThanOneWave));
}

TEST(Elementwise, RefusesToAddIntegers) {
  OnDevice device;
  const TensorView integers = device.upload<std::int32_t>({1, 2}, {2});

  EXPECT_THROW(add(integers, integers, device.stream), InvalidArgument);
}

}  // namespace
}  // namespace softmoe::ops
