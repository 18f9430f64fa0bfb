#include "runtime/ops/swiglu.h"

#include "tests/support/central_difference.h"
#include "tests/support/numbers.h"
#include "tests/unit/runtime/ops/everywhere.h"

namespace softmoe::ops {
namespace {

using test::as_type;
using test::central_differences;
using test::Everywhere;
using test::joined;
using test::normal_numbers;
using test::OnDevice;
using test::weighed;
using testing::Each;

TEST(Swiglu, MatchesNumbersCheckedByHand) {
  OnDevice device(Backend::reference);
  const TensorView a = device.saved.push(DType::f64, {2, 2});

  // silu(0) = 0, silu(1) = 0.7310585786300049, silu(-1) = -0.2689414213699951
  swiglu(device.upload<double>({0, 1, 5, 2, 1, -1, 4, 10}, {2, 4}),
         device.upload<double>({3, 0.5}, {2}), a, device.stream);

  EXPECT_TRUE(test::near(device.download<double>(a),
                         std::vector<double>{0, 6 * 0.7310585786300049, 2 * 0.7310585786300049,
                                             5 * -0.2689414213699951},
                         test::kF64Rounding));
}

TEST(Swiglu, TakesAGateOfOneIfNoneIsGiven) {
  const auto run = [](OnDevice& device, ConstTensorView gate) {
    const TensorView a = device.saved.push(DType::f32, {3, 17});
    swiglu(device.upload(normal_numbers<float>(3 * 34, 1), {3, 34}), gate, a, device.stream);
    return device.download<float>(a);
  };

  for (const Backend backend : {Backend::reference, Backend::cpu}) {
    OnDevice device(backend);
    EXPECT_EQ(run(device, {}), run(device, device.upload<float>({1, 1, 1}, {3})));
  }
}

std::vector<double> forward_f64(OnDevice& device, const std::vector<double>& h,
                                const std::vector<double>& gate) {
  const ArenaScope scope(device.saved);
  const auto rows = static_cast<std::int64_t>(gate.size());
  const auto width = static_cast<std::int64_t>(h.size()) / rows / 2;
  const TensorView a = device.saved.push(DType::f64, {rows, width});
  swiglu(device.upload(h, {rows, 2 * width}), device.upload(gate, {rows}), a, device.stream);
  return device.download<double>(a);
}

TEST(SwigluBackward, AgreesWithCentralDifferences) {
  const auto h = normal_numbers<double>(2 * 6, 1);
  const std::vector<double> gate = {0.7, 0.0};  // a gate of 0 has a gradient too
  const auto d_a = normal_numbers<double>(2 * 3, 2);
  OnDevice device(Backend::reference);
  const TensorView d_h = device.saved.push(DType::f64, {2, 6});
  const TensorView d_gate = device.saved.push(DType::f64, {2});

  swiglu_backward({.d_a_MF = device.upload(d_a, {2, 3}),
                   .h_M2F = device.upload(h, {2, 6}),
                   .gate_M = device.upload(gate, {2}),
                   .d_h_M2F = d_h,
                   .d_gate_M = d_gate},
                  device.stream);

  EXPECT_TRUE(
      test::near(device.download<double>(d_h),
                 central_differences(
                     h, [&](const auto& x) { return weighed(forward_f64(device, x, gate), d_a); }),
                 test::kCentralDifference));
  EXPECT_TRUE(
      test::near(device.download<double>(d_gate),
                 central_differences(
                     gate, [&](const auto& x) { return weighed(forward_f64(device, h, x), d_a); }),
                 test::kCentralDifference));
}

TEST(Swiglu, IsTheSameEverywhere) {
  Everywhere everywhere;
  for (const std::int64_t width : test::kOddSizes) {
    for (const std::int64_t rows : {0, 1, 300}) {
      everywhere.expect_same(
          [&](OnDevice& device) {
            const TensorView a = device.saved.push(DType::f32, {rows, width});
            swiglu(
                device.upload(normal_numbers<float>(rows * 2 * width, 1, 3.0), {rows, 2 * width}),
                device.upload(normal_numbers<float>(rows, 2), {rows}), a, device.stream);
            return device.download<float>(a);
          },
          test::kF32Rounding);
    }
  }
}

TEST(SwigluBackward, IsTheSameEverywhereAlsoInPlace) {
  Everywhere everywhere;
  for (const std::int64_t width : {0, 1, 17, 64, 255}) {
    everywhere.expect_same(
        [&](OnDevice& device) {
          constexpr std::int64_t kRows = 150;
          const TensorView h =
              device.upload(normal_numbers<float>(kRows * 2 * width, 1), {kRows, 2 * width});
          const TensorView apart = device.saved.push(DType::f32, {kRows, 2 * width});
          const TensorView d_gate = device.saved.push(DType::f32, {kRows});
          SwigluBackwardArguments arguments{
              .d_a_MF = device.upload(normal_numbers<float>(kRows * width, 2), {kRows, width}),
              .h_M2F = h,
              .gate_M = device.upload(normal_numbers<float>(kRows, 3), {kRows}),
              .d_h_M2F = apart,
              .d_gate_M = d_gate};
          swiglu_backward(arguments, device.stream);
          arguments.d_h_M2F = h;
          arguments.d_gate_M = {};
          swiglu_backward(arguments, device.stream);
          EXPECT_EQ(device.download<float>(h), device.download<float>(apart));
          return joined(device.download<float>(apart), device.download<float>(d_gate));
        },
        test::kF32Sums);
  }
}

TEST(SwigluBackward, WritesTheActivationOnceMoreAlsoInPlaceOfItsGradient) {
  constexpr std::int64_t kRows = 150;
  for (const Backend backend : {Backend::reference, Backend::cpu}) {
    for (const std::int64_t width : {1, 17, 64, 255}) {
      OnDevice device(backend);
      const TensorView h =
          device.upload(normal_numbers<float>(kRows * 2 * width, 1), {kRows, 2 * width});
      const TensorView gate = device.upload(normal_numbers<float>(kRows, 3), {kRows});
      const TensorView d_a = device.upload(normal_numbers<float>(kRows * width, 2), {kRows, width});
      const TensorView forward = device.saved.push(DType::f32, {kRows, width});
      const TensorView without = device.saved.push(DType::f32, {kRows, 2 * width});
      const TensorView with = device.saved.push(DType::f32, {kRows, 2 * width});
      swiglu(h, gate, forward, device.stream);
      SwigluBackwardArguments arguments{
          .d_a_MF = d_a, .h_M2F = h, .gate_M = gate, .d_h_M2F = without};
      swiglu_backward(arguments, device.stream);

      arguments.d_h_M2F = with;
      arguments.a_MF = d_a;
      swiglu_backward(arguments, device.stream);

      EXPECT_EQ(device.download<float>(d_a), device.download<float>(forward));
      EXPECT_EQ(device.download<float>(with), device.download<float>(without));
    }
  }
}

TEST(Swiglu, SaturatesForHugeInputs) {
  OnDevice device;
  const TensorView a = device.saved.push(DType::f32, {1, 2});

  swiglu(device.upload<float>({-1e4F, 1e4F, 1, 1}, {1, 4}), {}, a, device.stream);

  EXPECT_THAT(device.download<float>(a), testing::ElementsAre(0.0F, 1e4F));
}

TEST(Swiglu, GivesAnElementTheSameBitsWhereverItStands) {
  OnDevice device;
  for (const float value : {-2.3F, 0.7F, 11.0F}) {
    const TensorView a = device.saved.push(DType::f32, {3, 37});

    swiglu(device.upload(std::vector<float>(3 * 74, value), {3, 74}), {}, a, device.stream);

    const auto numbers = device.download<float>(a);
    EXPECT_THAT(numbers, Each(numbers[0]));
  }
}

TEST(Swiglu, KeepsBf16StorageNearF64) {
  OnDevice device(Backend::reference);
  const auto h = as_type<Bf16>(normal_numbers<float>(4 * 10, 1));
  const std::vector<float> gate = {0.5F, 1.0F, 0.25F, 2.0F};
  const TensorView a = device.saved.push(DType::bf16, {4, 5});

  swiglu(device.upload(h, {4, 10}), device.upload(gate, {4}), a, device.stream);

  EXPECT_TRUE(test::near(as_type<float>(device.download<Bf16>(a)),
                         forward_f64(device, as_type<double>(h), as_type<double>(gate)),
                         test::kBf16Rounding));
}

}  // namespace
}  // namespace softmoe::ops
