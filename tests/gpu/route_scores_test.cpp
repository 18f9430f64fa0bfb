#include "runtime/ops/route_scores.h"

#include <gmock/gmock.h>

#include "tests/gpu/orders.h"
#include "tests/gpu/router_rows.h"

namespace softmoe {
namespace {

using test::BothResults;
using test::OnDevice;
using test::RowShape;

struct Rows {
  RowShape shape;
  std::vector<float> x;
  std::vector<float> d_y;
};

struct Normalised {
  std::vector<float> y;
  std::vector<float> n;
  std::vector<float> scale;
  std::vector<float> d_x;
  std::vector<float> d_gain;

  bool operator==(const Normalised&) const = default;
};

Normalised normalise(OnDevice& device, const Rows& rows) {
  const Shape shape = rows.shape.tensor();
  const TensorView gain = device.upload(std::vector<float>{1.5F}, {1});
  const TensorView y = device.saved.push(DType::f32, shape);
  const TensorView n = device.saved.push(DType::f32, shape);
  const TensorView scale = device.saved.push(DType::f32, {rows.shape.rows});
  ops::route_normalise({.x_RC = device.upload(rows.x, shape),
                        .gain = gain,
                        .epsilon = 1e-6,
                        .y_RC = y,
                        .n_RC = n,
                        .scale_R = scale},
                       device.scratch, device.stream);
  const TensorView gradient = device.upload(rows.d_y, shape);
  const TensorView d_gain = device.upload(std::vector<float>{0.5F}, {1});  // is added to
  ops::route_normalise_backward({.d_y_RC = gradient,
                                 .n_RC = n,
                                 .scale_R = scale,
                                 .gain = gain,
                                 .d_x_RC = gradient,
                                 .d_gain = d_gain},
                                device.scratch, device.stream);
  return {.y = device.download<float>(y),
          .n = device.download<float>(n),
          .scale = device.download<float>(scale),
          .d_x = device.download<float>(gradient),
          .d_gain = device.download<float>(d_gain)};
}

// Another mean in each row, and neighbours at least a unit apart: a row of nearly equal numbers has
// a large scale, and that enlarges rounding.
Rows random_rows(const RowShape& shape, std::uint64_t seed) {
  Rows rows{.shape = shape,
            .x = test::normals(shape.elements(), seed),
            .d_y = test::normals(shape.elements(), seed + 1)};
  const auto columns = static_cast<std::size_t>(shape.columns);
  for (std::size_t i = 0; i < rows.x.size(); ++i) {
    const std::size_t level = i / columns % 5 + 3 * (i % columns % 2);
    rows.x[i] = 0.2F * rows.x[i] + static_cast<float>(level);
  }
  return rows;
}

TEST(RouteNormaliseOnGpu, EqualsTheReferenceOnEveryShape) {
  std::uint64_t seed = 1;
  for (const RowShape& shape : test::router_shapes()) {
    SCOPED_TRACE(testing::Message() << shape.rows << " rows of " << shape.columns);
    const Rows rows = random_rows(shape, seed += 2);
    const BothResults normalised([&](OnDevice& device) { return normalise(device, rows); });

    const auto& [cuda, reference] = normalised;
    EXPECT_TRUE(test::near(cuda.y, reference.y, test::kF32Sums));
    EXPECT_TRUE(test::near(cuda.n, reference.n, test::kF32Sums));
    EXPECT_TRUE(test::near(cuda.scale, reference.scale, test::kF32Sums));
    EXPECT_TRUE(test::near(cuda.d_x, reference.d_x, test::kF32Sums));
    const auto num_rows = static_cast<double>(std::max<std::int64_t>(1, shape.rows));
    EXPECT_TRUE(test::near(cuda.d_gain, reference.d_gain, test::times(test::kF32Sums, num_rows)));
  }
}

TEST(RouteNormaliseOnGpu, GivesEqualLogitsZero) {
  OnDevice device(Backend::cuda, 1, test::kRouterArena);
  for (const std::int64_t columns : {1, 3, 7, 33, 100}) {
    for (const float logit : {0.1F, -3.3F, 4096.7F}) {
      const auto count = static_cast<std::size_t>(columns);

      const Normalised normalised = normalise(device, {.shape = {1, columns},
                                                       .x = std::vector<float>(count, logit),
                                                       .d_y = std::vector<float>(count, 0.0F)});

      EXPECT_THAT(normalised.y, testing::Each(0.0F)) << columns << " columns of " << logit;
    }
  }
}

TEST(RouteNormaliseOnGpu, GivesTheSameBitsInEveryOrder) {
  const Rows rows = random_rows({200, 33}, 77);
  OnDevice device(Backend::cuda, 1, test::kRouterArena);

  test::expect_equal_in_every_order([&] { return normalise(device, rows); });
}

TEST(RouteNoiseOnGpu, EqualsTheReferenceOnEveryShape) {
  for (const RowShape& shape : test::router_shapes()) {
    const std::vector<float> x = test::normals(shape.elements(), 5);
    const BothResults noisy([&](OnDevice& device) {
      const TensorView scores = device.upload(x, shape.tensor());
      ops::route_noise(
          {.x_RC = scores,
           .standard_deviation = 0.75,
           .key = {.seed = 11, .purpose = RandomPurpose::gate_noise, .step = 3, .layer = 2},
           .first_index = std::int64_t{1} << 33},
          device.stream);
      return device.download<float>(scores);
    });

    EXPECT_TRUE(test::near(noisy.cuda, noisy.reference, test::kF32Rounding))
        << shape.rows << " rows of " << shape.columns;
  }
}

}  // namespace
}  // namespace softmoe
