// LapSum on a GPU: the certified vectors, and the specification over many shapes.

#include "runtime/ops/lapsum.h"

#include <gmock/gmock.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "runtime/ops/lapsum_values.h"
#include "tests/gpu/orders.h"
#include "tests/gpu/router_rows.h"

namespace softmoe {
namespace {

using nlohmann::json;
using test::BothResults;
using test::OnDevice;
using test::RowShape;

struct Problem {
  RowShape shape;
  std::vector<float> scores;
  double k = 1;
  double alpha = 1;
  std::vector<float> d_p;
};

struct Solved {
  std::vector<double> p;
  std::vector<float> signed_f;
  std::vector<float> anchor;
  std::vector<float> d_scores;
  std::vector<double> d_k;
  std::vector<double> d_alpha;

  bool operator==(const Solved&) const = default;
};

std::vector<double> probabilities(const std::vector<float>& signed_f) {
  std::vector<double> p;
  // In double: 1 - f must not be rounded before it is compared.
  for (const float f : signed_f) p.push_back(ops::probability_of(static_cast<double>(f)));
  return p;
}

Solved solve(OnDevice& device, const Problem& problem) {
  const Shape shape = problem.shape.tensor();
  const ops::LapsumArguments forward{
      .scores_RC = device.upload(problem.scores, shape),
      .k = problem.k,
      .alpha = problem.alpha,
      .signed_f_RC = device.saved.push(DType::f32, shape),
      .anchor_R2 = device.saved.push(DType::f32, {problem.shape.rows, 2})};
  ops::lapsum(forward, device.scratch, device.stream);
  const View<double> d_k = device.upload<double>({0.25});  // is added to
  const View<double> d_alpha = device.upload<double>({-0.5});
  const TensorView d_p = device.upload(problem.d_p, shape);
  ops::lapsum_vjp(
      {.forward = forward, .d_p_RC = d_p, .d_scores_RC = d_p, .d_k = d_k, .d_alpha = d_alpha},
      device.scratch, device.stream);
  Solved solved{.signed_f = device.download<float>(forward.signed_f_RC),
                .anchor = device.download<float>(forward.anchor_R2),
                .d_scores = device.download<float>(d_p),
                .d_k = device.download(d_k),
                .d_alpha = device.download(d_alpha)};
  solved.p = probabilities(solved.signed_f);
  return solved;
}

Problem random_problem(const RowShape& shape, double k, double alpha, std::uint64_t seed) {
  return {.shape = shape,
          .scores = test::hard_scores(shape, seed, alpha),
          .k = k,
          .alpha = alpha,
          .d_p = test::normals(shape.elements(), seed + 1)};
}

void expect_equals_the_reference(const Problem& problem) {
  SCOPED_TRACE(testing::Message() << problem.shape.rows << " rows of " << problem.shape.columns
                                  << ", k " << problem.k << ", alpha " << problem.alpha);
  const BothResults solved([&](OnDevice& device) { return solve(device, problem); });

  const test::Tolerance gradient = test::lapsum_gradient(problem.alpha);
  const test::Tolerance sums =
      test::times(gradient, static_cast<double>(std::max<std::int64_t>(1, problem.shape.rows)));
  EXPECT_TRUE(test::near(solved.cuda.p, solved.reference.p, test::kLapsumF32));
  EXPECT_TRUE(test::near(solved.cuda.d_scores, solved.reference.d_scores, gradient));
  EXPECT_TRUE(test::near(solved.cuda.d_k, solved.reference.d_k, sums));
  EXPECT_TRUE(test::near(solved.cuda.d_alpha, solved.reference.d_alpha, sums));
}

TEST(LapsumOnGpu, HoldsTheCertifiedVectors) {
  std::ifstream file(std::string(SOFTMOE_TEST_DATA) + "/lapsum_vectors.json");
  const json vectors = json::parse(file);
  OnDevice device(Backend::cuda, 1, test::kRouterArena);
  ASSERT_EQ(vectors["cases"].size(), 25U);
  for (const json& vector : vectors["cases"]) {
    SCOPED_TRACE(vector["name"]);
    const Problem problem{.shape = {1, vector["n"]},
                          .scores = vector["r"],
                          .k = vector["k"],
                          .alpha = vector["alpha"],
                          .d_p = vector["v"]};

    const Solved solved = solve(device, problem);

    const test::Tolerance gradient = test::lapsum_gradient(problem.alpha);
    const auto wanted = [&](const char* key) { return vector[key].get<std::vector<double>>(); };
    EXPECT_TRUE(test::near(solved.p, wanted("p"), test::kLapsumF32));
    EXPECT_TRUE(test::near(solved.d_scores, wanted("grad_r"), gradient));
    EXPECT_TRUE(
        test::near(solved.d_k, std::vector{0.25 + vector["grad_k"].get<double>()}, gradient));
    EXPECT_TRUE(test::near(solved.d_alpha, std::vector{vector["grad_alpha"].get<double>() - 0.5},
                           gradient));
  }
}

TEST(LapsumOnGpu, EqualsTheReferenceOnEveryShape) {
  std::uint64_t seed = 1;
  for (const RowShape& shape : test::router_shapes()) {
    const double k = std::min(1.5, 0.6 * static_cast<double>(shape.columns));
    expect_equals_the_reference(random_problem(shape, k, 0.25, ++seed));
  }
}

TEST(LapsumOnGpu, EqualsTheReferenceForEveryMassAndTemperature) {
  std::uint64_t seed = 100;
  for (const std::int64_t columns : {3, 8, 40, 512}) {
    const auto all = static_cast<double>(columns);
    for (const double alpha : {1e-3, 0.0625, 1.0, 100.0}) {
      for (const double k : {1e-6, 0.3, 1.0, 2.0, 2.75, all / 2, all - 1, all - 1e-3, all}) {
        expect_equals_the_reference(random_problem({14, columns}, k, alpha, ++seed));
      }
    }
  }
}

// Rule by rule, what goes wrong without it.
TEST(LapsumOnGpu, SurvivesAGapWhoseExponentialUnderflows) {
  OnDevice device(Backend::cuda, 1, test::kRouterArena);

  const Solved solved = solve(
      device,
      {.shape = {1, 2}, .scores = {1000.0F, 0.0F}, .k = 1, .alpha = 0.5, .d_p = {3.0F, 5.0F}});

  EXPECT_EQ(solved.signed_f[0], 0.0F);
  EXPECT_EQ(solved.signed_f[1], 0.0F);
  EXPECT_THAT(solved.p, testing::ElementsAre(1.0, 0.0));
  EXPECT_DOUBLE_EQ(solved.d_k[0], 0.25 + 4.0);  // q = 1/2 each although every f is 0
}

TEST(LapsumOnGpu, GivesARowTheSameBitsWhereverItStands) {
  OnDevice device(Backend::cuda, 1, test::kRouterArena);
  for (const std::int64_t columns : {3, 20, 64}) {
    const Problem all = random_problem({37, columns}, 1.75, 0.25, 9);

    const Solved together = solve(device, all);

    for (std::int64_t row = 0; row < 37; row += 6) {
      const auto begin = static_cast<std::ptrdiff_t>(row * columns);
      const auto of_row = [&](const std::vector<float>& numbers) {
        return std::vector<float>(numbers.begin() + begin, numbers.begin() + begin + columns);
      };
      Problem one = all;
      one.shape.rows = 1;
      one.scores = of_row(all.scores);
      one.d_p = of_row(all.d_p);
      const Solved alone = solve(device, one);
      EXPECT_EQ(of_row(together.signed_f), alone.signed_f) << columns;
      EXPECT_EQ(of_row(together.d_scores), alone.d_scores) << columns;
    }
  }
}

TEST(LapsumOnGpu, GivesTheSameBitsInEveryOrder) {
  const Problem problem = random_problem({200, 33}, 2.5, 0.25, 10);
  OnDevice device(Backend::cuda, 1, test::kRouterArena);

  test::expect_equal_in_every_order([&] { return solve(device, problem); });
}

TEST(LapsumOnGpu, MakesARowWithANanNanAndLeavesTheOthers) {
  Problem problem = random_problem({5, 40}, 2, 1, 11);
  const Problem untouched = problem;
  problem.scores[40] = std::nanf("");           // row 1: the first column
  problem.scores[3 * 40 + 35] = std::nanf("");  // row 3: one of the second slot
  const BothResults solved([&](OnDevice& device) { return solve(device, problem); });
  OnDevice device(Backend::cuda, 1, test::kRouterArena);

  const Solved clean = solve(device, untouched);

  for (std::size_t i = 0; i < problem.scores.size(); ++i) {
    const bool has_nan = i / 40 == 1 || i / 40 == 3;
    EXPECT_EQ(std::isnan(solved.reference.signed_f[i]), has_nan) << i;
    EXPECT_EQ(std::isnan(solved.cuda.signed_f[i]), has_nan) << i;
    if (!has_nan) {
      EXPECT_EQ(solved.cuda.signed_f[i], clean.signed_f[i]) << i;
    }
  }
}

TEST(LapsumOnGpu, LeavesOutTheGradientOfAlphaWhereNobodyWantsIt) {
  const Problem problem = random_problem({9, 8}, 2, 1, 12);
  OnDevice device(Backend::cuda, 1, test::kRouterArena);
  const Solved with = solve(device, problem);
  const Shape shape = problem.shape.tensor();
  const View<double> d_k = device.upload<double>({0.25});
  const TensorView d_scores = device.saved.push(DType::f32, shape);

  ops::lapsum_vjp({.forward = {.scores_RC = device.upload(problem.scores, shape),
                               .k = problem.k,
                               .alpha = problem.alpha,
                               .signed_f_RC = device.upload(with.signed_f, shape),
                               .anchor_R2 = device.upload(with.anchor, {9, 2})},
                   .d_p_RC = device.upload(problem.d_p, shape),
                   .d_scores_RC = d_scores,
                   .d_k = d_k,
                   .d_alpha = {}},
                  device.scratch, device.stream);

  EXPECT_EQ(device.download<float>(d_scores), with.d_scores);
  EXPECT_EQ(device.download(d_k), with.d_k);
}

TEST(LapsumOnGpu, RefusesRowsThatNoWarpHolds) {
  OnDevice device(Backend::cuda, 1, test::kRouterArena);
  const Problem problem = random_problem({1, 513}, 2, 1, 13);

  EXPECT_THAT([&] { solve(device, problem); },
              testing::ThrowsMessage<DeviceError>(testing::HasSubstr(
                  "lapsum: a row has 513 columns, but the registers of a warp hold at most 512")));
  device.stream.synchronize();
}

TEST(LapsumOnGpu, RefusesDouble) {
  OnDevice device(Backend::cuda, 1, test::kRouterArena);
  const TensorView scores = device.upload(std::vector<double>{1.0, 2.0}, {1, 2});
  const TensorView signed_f = device.saved.push(DType::f64, {1, 2});
  const TensorView anchor = device.saved.push(DType::f64, {1, 2});

  EXPECT_THAT(
      [&] {
        ops::lapsum({.scores_RC = scores, .signed_f_RC = signed_f, .anchor_R2 = anchor},
                    device.scratch, device.stream);
      },
      testing::ThrowsMessage<DeviceError>(testing::HasSubstr("lapsum: CUDA kernels of the router "
                                                             "are for f32, got f64")));
  device.stream.synchronize();
}

}  // namespace
}  // namespace softmoe
