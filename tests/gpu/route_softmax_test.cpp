#include "runtime/ops/route_softmax.h"

#include <gmock/gmock.h>

#include <limits>

#include "runtime/ops/lapsum_values.h"
#include "tests/gpu/orders.h"
#include "tests/gpu/router_rows.h"

namespace softmoe {
namespace {

using test::BothResults;
using test::OnDevice;
using test::RowShape;

struct Softmax {
  std::vector<float> signed_f;
  std::vector<double> p;
  std::vector<float> d_scores;
};

Softmax softmax(OnDevice& device, const RowShape& shape, const std::vector<float>& scores) {
  const TensorView signed_f = device.saved.push(DType::f32, shape.tensor());
  ops::route_softmax(device.upload(scores, shape.tensor()), signed_f, device.scratch,
                     device.stream);
  const TensorView gradient = device.upload(test::normals(shape.elements(), 5), shape.tensor());
  ops::route_softmax_vjp({.signed_f_RC = signed_f, .d_p_RC = gradient, .d_scores_RC = gradient},
                         device.scratch, device.stream);
  Softmax result{.signed_f = device.download<float>(signed_f),
                 .d_scores = device.download<float>(gradient)};
  for (const float f : result.signed_f) {
    result.p.push_back(ops::probability_of(static_cast<double>(f)));
  }
  return result;
}

TEST(RouteSoftmaxOnGpu, EqualsTheReferenceOnEveryShape) {
  std::uint64_t seed = 1;
  for (const RowShape& shape : test::router_shapes()) {
    SCOPED_TRACE(testing::Message() << shape.rows << " rows of " << shape.columns);
    const std::vector<float> scores = test::hard_scores(shape, ++seed);
    const BothResults result([&](OnDevice& device) { return softmax(device, shape, scores); });

    EXPECT_TRUE(test::near(result.cuda.p, result.reference.p, test::kF32Rounding));
    EXPECT_TRUE(test::near(result.cuda.d_scores, result.reference.d_scores, test::kF32Sums));
  }
}

TEST(RouteSoftmaxOnGpu, KeepsTheDigitsOfTheComplement) {
  OnDevice device(Backend::cuda, 1, test::kRouterArena);

  const Softmax result = softmax(device, {1, 2}, {30.0F, 0.0F});

  const float tail = std::exp(-30.0F);  // 1 - p of the first is 9e-14: no digit of p shows it
  EXPECT_TRUE(test::near(result.signed_f, std::vector{tail, -tail},
                         {.relative = 1e-6, .absolute = 0, .reason = "an exp of 1e-7"}));
}

TEST(RouteSoftmaxOnGpu, MakesARowWithANanNan) {
  std::vector<float> scores = test::normals(3 * 40, 6);
  scores[40 + 35] = std::numeric_limits<float>::quiet_NaN();
  const BothResults result([&](OnDevice& device) { return softmax(device, {3, 40}, scores); });

  for (std::size_t i = 0; i < scores.size(); ++i) {
    EXPECT_EQ(std::isnan(result.cuda.signed_f[i]), i / 40 == 1) << i;
    EXPECT_EQ(std::isnan(result.reference.signed_f[i]), i / 40 == 1) << i;
  }
}

struct PenaltyCase {
  RowShape shape;
  std::vector<float> scores;
  std::vector<float> weights;  // empty: no balance loss
  double z_coefficient = 0;
};

struct Penalty {
  std::vector<double> sums;
  std::vector<float> d_scores;

  bool operator==(const Penalty&) const = default;
};

Penalty penalty(OnDevice& device, const PenaltyCase& one) {
  const ops::RoutePenaltyArguments arguments{
      .scores_RC = device.upload(one.scores, one.shape.tensor()),
      .weight_C = one.weights.empty() ? View<float>{} : device.upload(one.weights),
      .z_coefficient = one.z_coefficient};
  const View<double> sums = device.upload<double>({1.0, 2.0, 3.0});  // are added to
  ops::route_penalty(arguments, sums, device.scratch, device.stream);
  const TensorView d_scores =
      device.upload(test::normals(one.shape.elements(), 8), one.shape.tensor());
  ops::route_penalty_backward(arguments, d_scores, device.scratch, device.stream);
  return {.sums = device.download(sums), .d_scores = device.download<float>(d_scores)};
}

PenaltyCase random_case(const RowShape& shape, std::uint64_t seed) {
  PenaltyCase one{.shape = shape,
                  .scores = test::normals(shape.elements(), seed),
                  .weights = test::normals(shape.columns, seed + 1),
                  .z_coefficient = 0.01};
  for (float& score : one.scores) score *= 3;
  return one;
}

void expect_equals_the_reference(const PenaltyCase& one) {
  SCOPED_TRACE(testing::Message() << one.shape.rows << " rows of " << one.shape.columns);
  const BothResults result([&](OnDevice& device) { return penalty(device, one); });

  const auto num_rows = static_cast<double>(std::max<std::int64_t>(1, one.shape.rows));
  EXPECT_TRUE(
      test::near(result.cuda.sums, result.reference.sums, test::times(test::kF32Sums, num_rows)));
  EXPECT_TRUE(test::near(result.cuda.d_scores, result.reference.d_scores, test::kF32Sums));
}

TEST(RoutePenaltyOnGpu, EqualsTheReferenceOnEveryShape) {
  std::uint64_t seed = 1;
  for (const RowShape& shape : test::router_shapes()) {
    expect_equals_the_reference(random_case(shape, seed += 2));
  }
}

// More blocks than the last sum has threads.
TEST(RoutePenaltyOnGpu, EqualsTheReferenceOverManyRows) {
  expect_equals_the_reference(random_case({2500, 3}, 40));
}

TEST(RoutePenaltyOnGpu, EqualsTheReferenceWithoutABalanceLoss) {
  PenaltyCase one = random_case({33, 64}, 50);
  one.weights.clear();
  expect_equals_the_reference(one);
}

TEST(RoutePenaltyOnGpu, GivesTheSameBitsInEveryOrder) {
  const PenaltyCase one = random_case({200, 33}, 60);
  OnDevice device(Backend::cuda, 1, test::kRouterArena);

  test::expect_equal_in_every_order([&] { return penalty(device, one); });
}

}  // namespace
}  // namespace softmoe
