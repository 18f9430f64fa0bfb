#include <gmock/gmock.h>

#include <cmath>
#include <random>

#include "runtime/ops/route_scores.h"
#include "tests/support/on_device.h"

namespace softmoe {
namespace {

using test::OnDevice;
using ::testing::ElementsAre;
using ::testing::FloatNear;
using ::testing::Pointwise;

template <class T>
struct Normalised {
  std::vector<T> y;
  std::vector<T> d_x;
  T d_gain;
};

// Forward and, for an arbitrary gradient of y, backward.
template <class T>
Normalised<T> normalise(OnDevice& device, const std::vector<T>& x, const std::vector<T>& d_y,
                        std::int64_t columns) {
  const Shape shape{static_cast<std::int64_t>(x.size()) / columns, columns};
  const TensorView gain = device.upload(std::vector<T>{T(1.5)}, {1});
  const TensorView y = device.saved.push(dtype_of<T>, shape);
  const TensorView n = device.saved.push(dtype_of<T>, shape);
  const TensorView scale = device.saved.push(dtype_of<T>, {shape[0]});
  const TensorView d_x = device.saved.push(dtype_of<T>, shape);
  const TensorView d_gain = device.upload(std::vector<T>{T(0)}, {1});
  ops::route_normalise({.x_RC = device.upload(x, shape),
                        .gain = gain,
                        .epsilon = 1e-6,
                        .y_RC = y,
                        .n_RC = n,
                        .scale_R = scale},
                       device.scratch, device.stream);
  ops::route_normalise_backward({.d_y_RC = device.upload(d_y, shape),
                                 .n_RC = n,
                                 .scale_R = scale,
                                 .gain = gain,
                                 .d_x_RC = d_x,
                                 .d_gain = d_gain},
                                device.scratch, device.stream);
  return {.y = device.download<T>(y),
          .d_x = device.download<T>(d_x),
          .d_gain = device.download<T>(d_gain)[0]};
}

template <class T>
std::vector<T> normals(std::size_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  std::vector<T> values(count);
  for (T& value : values) value = static_cast<T>(normal(random));
  return values;
}

TEST(RouteNormalise, CentresAndDividesByTheRms) {
  OnDevice device(Backend::reference);

  const auto normalised = normalise<double>(device, {5.0, 1.0, 3.0, 3.0}, {0, 0, 0, 0}, 4);

  const double root = 1.5 * std::sqrt(2.0);  // the RMS of (2, -2, 0, 0) is sqrt(2)
  EXPECT_THAT(normalised.y,
              Pointwise(::testing::DoubleNear(1e-5), std::vector<double>{root, -root, 0, 0}));
}

// The gradient of y is arbitrary here: that of LapSum sums to zero and would hide the mean's part.
TEST(RouteNormalise, GradientAgreesWithFiniteDifferences) {
  OnDevice device(Backend::reference);
  std::vector<double> x = normals<double>(5, 1);
  const std::vector<double> d_y = normals<double>(5, 2);
  const auto loss = [&] {
    const auto y = normalise<double>(device, x, d_y, 5).y;
    double sum = 0;
    for (std::size_t i = 0; i < y.size(); ++i) sum += y[i] * d_y[i];
    return sum;
  };

  const auto normalised = normalise<double>(device, x, d_y, 5);

  for (std::size_t i = 0; i < x.size(); ++i) {
    const double kept = x[i];
    x[i] = kept + 1e-5;
    const double above = loss();
    x[i] = kept - 1e-5;
    const double below = loss();
    x[i] = kept;
    EXPECT_NEAR(normalised.d_x[i], (above - below) / 2e-5, 1e-8);
  }
  EXPECT_NEAR(normalised.d_gain, loss() / 1.5, 1e-12);  // y is linear in the gain
}

TEST(RouteNormalise, OfTheCpuEqualsTheReference) {
  for (const std::int64_t columns : {1, 3, 8, 16, 27, 70}) {
    OnDevice cpu(Backend::cpu, /*num_threads=*/2);
    OnDevice reference(Backend::reference);
    const auto x = normals<float>(static_cast<std::size_t>(35 * columns), 3);
    const auto d_y = normals<float>(x.size(), 4);

    const auto fast = normalise<float>(cpu, x, d_y, columns);

    const auto slow = normalise<float>(reference, x, d_y, columns);
    // One column is its own mean: scale is 1 / sqrt(epsilon) = 1000, and so is its rounding.
    const float near = columns == 1 ? 2e-3F : 2e-5F;
    EXPECT_THAT(fast.y, Pointwise(FloatNear(near), slow.y));
    EXPECT_THAT(fast.d_x, Pointwise(FloatNear(near), slow.d_x));
    EXPECT_NEAR(fast.d_gain, slow.d_gain, 1e-3F);
  }
}

TEST(RouteNormalise, GivesEqualLogitsZero) {
  OnDevice device;

  const auto normalised = normalise<float>(device, {7.0F, 7.0F, 7.0F}, {0, 0, 0}, 3);

  EXPECT_THAT(normalised.y, ElementsAre(0.0F, 0.0F, 0.0F));
}

}  // namespace
}  // namespace softmoe
