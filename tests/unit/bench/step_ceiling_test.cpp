#include "bench/step_ceiling.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "bench/shape.h"
#include "model/flops.h"
#include "tests/support/on_device.h"

namespace softmoe::bench {
namespace {

using model::Space;

launcher::RunConfig tiny(const std::vector<std::string>& more = {}) {
  std::vector<std::string> overrides = {"model.hidden=32",           "model.positions=16",
                                        "model.experts.inner=24",    "model.vocabulary=300",
                                        "training.lane_sequences=3", "model.experts.num_experts=8"};
  overrides.insert(overrides.end(), more.begin(), more.end());
  return load_shape({.shape = "demo", .overrides = overrides}, 2);
}

double sum(const std::array<double, kNumCeilingParts>& numbers) {
  return std::accumulate(numbers.begin(), numbers.end(), 0.0);
}

bool all_finite(test::OnDevice& on, TensorView values) {
  for (const float value : on.download<float>(values))
    if (!std::isfinite(value)) return false;
  return true;
}

TEST(StepCeiling, CountsTheOperationsOfAStepWithoutTheRouter) {
  test::OnDevice on;
  const launcher::RunConfig config = tiny({"model.dense_layers=1", "model.shared_inner=16"});
  const StepCeiling ceiling(config, /*world=*/1, on.work);
  constexpr std::int64_t kRows = 700;

  const auto flops = ceiling.flops(kRows);

  const double router = 6.0 * static_cast<double>(step_tokens(config)) * config.model.moe_layers() *
                        config.model.hidden * 8;
  const double step =
      model::training_flops(config.model, step_tokens(config), config.model.positions, kRows);
  EXPECT_NEAR(sum(flops), step - router, 1e-6 * step);
}

TEST(StepCeiling, ReadsNothingThatNobodyWrote) {
  // Fresh memory is NaN here; a norm of NaN would reach every parameter.
  for (const auto& more : {std::vector<std::string>{},
                           {"model.dense_layers=2", "model.shared_inner=16"},
                           {"model.tied_embeddings=true"}}) {
    test::OnDevice on;
    const launcher::RunConfig config = tiny(more);
    StepCeiling ceiling(config, /*world=*/1, on.work);
    const std::vector<std::int64_t> rows_L(static_cast<std::size_t>(config.model.moe_layers()),
                                           191);

    ceiling.run(rows_L);
    ceiling.run(rows_L);

    for (const Space space : {Space::dense, Space::expert}) {
      EXPECT_TRUE(all_finite(on, ceiling.parameters().gradients(space)));
      EXPECT_TRUE(all_finite(on, ceiling.parameters().values(space)));
    }
  }
}

TEST(StepCeiling, GradientsOfASecondPassAreNotAddedToThoseOfTheFirst) {
  test::OnDevice on;
  const launcher::RunConfig config = tiny();
  StepCeiling ceiling(config, /*world=*/1, on.work);
  const std::vector<std::int64_t> rows_L(4, 192);
  const auto norm = [&] {
    double square = 0;
    for (const float x : on.download<float>(ceiling.parameters().gradients(Space::dense)))
      square += static_cast<double>(x) * x;
    return std::sqrt(square);
  };

  ceiling.run(rows_L);
  const double first = norm();
  ceiling.run(rows_L);

  EXPECT_GT(first, 0);
  EXPECT_NEAR(norm(), first, 0.01 * first);  // the update in between was a small one
}

TEST(StepCeiling, SplitsItsSecondsIntoParts) {
  test::OnDevice on;
  const launcher::RunConfig config = tiny();
  StepCeiling ceiling(config, /*world=*/1, on.work);

  const CeilingPass pass = ceiling.run(std::vector<std::int64_t>{192, 0, 100, 300});

  for (int part = 0; part < kNumCeilingParts; ++part)
    EXPECT_GT(pass.part_seconds[static_cast<std::size_t>(part)], 0) << part;
  EXPECT_LE(sum(pass.part_seconds), pass.seconds);
}

TEST(StepCeiling, ARankOfTwoHasHalfOfTheWork) {
  test::OnDevice on;
  const launcher::RunConfig config = tiny();
  const StepCeiling one(config, /*world=*/1, on.work);
  const StepCeiling two(config, /*world=*/2, on.work);

  EXPECT_NEAR(sum(two.flops(400)), sum(one.flops(400)) / 2, 1);
  EXPECT_EQ(two.parameters().elements(Space::expert), one.parameters().elements(Space::expert) / 2);
}

TEST(StepCeiling, RefusesRowsOfAnotherNumberOfLayers) {
  test::OnDevice on;
  const launcher::RunConfig config = tiny();
  StepCeiling ceiling(config, /*world=*/1, on.work);

  EXPECT_THROW(ceiling.run(std::vector<std::int64_t>{1, 2}), InvalidArgument);
}

}  // namespace
}  // namespace softmoe::bench
