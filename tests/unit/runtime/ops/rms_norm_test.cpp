#include "runtime/ops/rms_norm.h"

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

constexpr double kEpsilon = 1e-5;

TEST(RmsNorm, MatchesNumbersCheckedByHand) {
  OnDevice device(Backend::reference);
  const TensorView y = device.saved.push(DType::f64, {1, 2});
  const TensorView scale = device.saved.push(DType::f64, {1});

  // mean(9, 49) = 29, and an epsilon of 7 makes it 36.
  rms_norm(device.upload<double>({3, 7}, {1, 2}), device.upload<double>({2, -1}, {2}), 7, y, scale,
           device.stream);

  EXPECT_TRUE(
      test::near(device.download<double>(y), std::vector<double>{1, -7.0 / 6}, test::kF64Rounding));
  EXPECT_TRUE(
      test::near(device.download<double>(scale), std::vector<double>{1.0 / 6}, test::kF64Rounding));
}

TEST(RmsNorm, WorksInPlace) {
  for (const Backend backend : {Backend::reference, Backend::cpu}) {
    OnDevice device(backend);
    const TensorView x = device.upload(normal_numbers<float>(4 * 19, 1), {4, 19});
    const TensorView gain = device.upload(normal_numbers<float>(19, 2), {19});
    const TensorView y = device.saved.push(DType::f32, {4, 19});
    const TensorView scale = device.saved.push(DType::f32, {4});

    rms_norm(x, gain, kEpsilon, y, scale, device.stream);
    rms_norm(x, gain, kEpsilon, x, scale, device.stream);

    EXPECT_EQ(device.download<float>(x), device.download<float>(y));
  }
}

struct Norm {
  std::vector<double> y;
  std::vector<double> scale;
};

Norm norm_f64(OnDevice& device, const std::vector<double>& x, const std::vector<double>& gain) {
  const ArenaScope scope(device.saved);
  const auto hidden = static_cast<std::int64_t>(gain.size());
  const auto rows = static_cast<std::int64_t>(x.size()) / hidden;
  const TensorView y = device.saved.push(DType::f64, {rows, hidden});
  const TensorView scale = device.saved.push(DType::f64, {rows});
  rms_norm(device.upload(x, {rows, hidden}), device.upload(gain, {hidden}), kEpsilon, y, scale,
           device.stream);
  return {device.download<double>(y), device.download<double>(scale)};
}

TEST(RmsNormBackward, AgreesWithCentralDifferences) {
  const auto x = normal_numbers<double>(2 * 4, 1);
  const auto gain = normal_numbers<double>(4, 2);
  const auto d_y = normal_numbers<double>(2 * 4, 3);
  OnDevice device(Backend::reference);
  const TensorView d_x = device.upload(std::vector<double>(8, 0.0), {2, 4});
  const TensorView d_gain = device.saved.push(DType::f64, {4});

  rms_norm_backward({.d_y_TH = device.upload(d_y, {2, 4}),
                     .x_TH = device.upload(x, {2, 4}),
                     .gain_H = device.upload(gain, {4}),
                     .scale_T = device.upload(norm_f64(device, x, gain).scale, {2}),
                     .d_x_TH = d_x,
                     .d_gain_H = d_gain,
                     .beta = 0},
                    device.stream);

  EXPECT_TRUE(
      test::near(device.download<double>(d_x),
                 central_differences(
                     x, [&](const auto& at) { return weighed(norm_f64(device, at, gain).y, d_y); }),
                 test::kCentralDifference));
  EXPECT_TRUE(
      test::near(device.download<double>(d_gain),
                 central_differences(
                     gain, [&](const auto& at) { return weighed(norm_f64(device, x, at).y, d_y); }),
                 test::kCentralDifference));
}

TEST(RmsNorm, IsTheSameEverywhere) {
  Everywhere everywhere;
  for (const std::int64_t hidden : test::kOddSizes) {
    for (const std::int64_t rows : {0, 1, 300}) {
      if (hidden == 0 && rows > 0) continue;  // the mean of nothing
      everywhere.expect_same(
          [&](OnDevice& device) {
            const TensorView y = device.saved.push(DType::f32, {rows, hidden});
            const TensorView scale = device.saved.push(DType::f32, {rows});
            rms_norm(device.upload(normal_numbers<float>(rows * hidden, 1), {rows, hidden}),
                     device.upload(normal_numbers<float>(hidden, 2), {hidden}), kEpsilon, y, scale,
                     device.stream);
            return joined(device.download<float>(y), device.download<float>(scale));
          },
          test::kF32Rounding);
    }
  }
}

TEST(RmsNormBackward, IsTheSameEverywhere) {
  Everywhere everywhere;
  for (const std::int64_t hidden : {1, 17, 64, 130, 255}) {
    for (const double beta : {0.0, 1.0}) {
      everywhere.expect_same(
          [&](OnDevice& device) {
            constexpr std::int64_t kRows = 150;
            const Shape shape{kRows, hidden};
            const auto x = normal_numbers<float>(kRows * hidden, 1);
            const TensorView d_x = device.upload(normal_numbers<float>(kRows * hidden, 2), shape);
            const TensorView d_gain =
                beta == 0 ? device.saved.push(DType::f32, {hidden})
                          : device.upload(normal_numbers<float>(hidden, 3), {hidden});
            rms_norm_backward(
                {.d_y_TH = device.upload(normal_numbers<float>(kRows * hidden, 4, 0.1), shape),
                 .x_TH = device.upload(x, shape),
                 .gain_H = device.upload(normal_numbers<float>(hidden, 5), {hidden}),
                 .scale_T = device.upload(std::vector<float>(kRows, 1.25F), {kRows}),
                 .d_x_TH = d_x,
                 .d_gain_H = d_gain,
                 .beta = beta},
                device.stream);
            return joined(device.download<float>(d_x), device.download<float>(d_gain));
          },
          test::kF32Sums);
    }
  }
}

TEST(RmsNorm, GivesARowTheSameBitsWhereverItStands) {
  OnDevice device;
  const auto row = normal_numbers<float>(37, 1);
  const TensorView gain = device.upload(normal_numbers<float>(37, 2), {37});
  std::vector<float> rows;
  for (int i = 0; i < 5; ++i) rows.insert(rows.end(), row.begin(), row.end());
  const TensorView y = device.saved.push(DType::f32, {5, 37});
  const TensorView scale = device.saved.push(DType::f32, {5});

  rms_norm(device.upload(rows, {5, 37}), gain, kEpsilon, y, scale, device.stream);

  const auto numbers = device.download<float>(y);
  for (std::size_t i = 37; i < numbers.size(); ++i) EXPECT_EQ(numbers[i], numbers[i % 37]);
}

TEST(RmsNorm, KeepsBf16StorageNearF64) {
  OnDevice device(Backend::reference);
  const auto x = as_type<Bf16>(normal_numbers<float>(3 * 8, 1));
  const auto gain = as_type<Bf16>(normal_numbers<float>(8, 2));
  const TensorView y = device.saved.push(DType::bf16, {3, 8});
  const TensorView scale = device.saved.push(DType::f32, {3});

  rms_norm(device.upload(x, {3, 8}), device.upload(gain, {8}), kEpsilon, y, scale, device.stream);

  EXPECT_TRUE(test::near(as_type<float>(device.download<Bf16>(y)),
                         norm_f64(device, as_type<double>(x), as_type<double>(gain)).y,
                         test::kBf16Rounding));
}

}  // namespace
}  // namespace softmoe::ops
