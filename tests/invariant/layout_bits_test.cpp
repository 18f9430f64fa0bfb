// Ranks as threads: every number of a run, on every layout.

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>

#include "tests/invariant/invariant_run.h"

namespace softmoe::test {
namespace {

using testing::IsEmpty;
using testing::Not;

const std::vector<Layout> kLayouts = {
    {.world = 2, .expert_parallel = 1},
    {.world = 2, .expert_parallel = 2, .threads = 2},
    {.world = 4, .expert_parallel = 1, .exchange_chunks = 3},
    {.world = 4, .expert_parallel = 2, .exchange_chunks = 2},
    {.world = 4, .expert_parallel = 4},
};

/// Runs it everywhere, and returns what it came to.
Outcome expect_same_bits_everywhere(const launcher::RunConfig& config) {
  const Outcome alone = run_on({}, config);
  EXPECT_LT(alone.losses.back(), alone.losses.front() - 0.2);  // it did learn something
  EXPECT_THAT(alone.skipped, IsEmpty());
  for (const Layout& layout : kLayouts) {
    SCOPED_TRACE(testing::Message()
                 << layout.world << " ranks, experts over " << layout.expert_parallel << ", "
                 << layout.threads << " threads, " << layout.exchange_chunks << " chunks");
    expect_equal_bits(run_on(layout, config), alone);
  }
  return alone;
}

TEST(LayoutBits, AreTheSameUnderTheServo) {
  const Outcome run = expect_same_bits_everywhere(invariant_config());

  // Clipping was put to work.
  EXPECT_LT(*std::min_element(run.clip_factors.begin(), run.clip_factors.end()), 1.0);
}

TEST(LayoutBits, AreTheSameUnderQuotas) {
  launcher::RunConfig config = invariant_config();
  config.budget.mode = budget::Mode::quota;

  const Outcome run = expect_same_bits_everywhere(config);

  for (std::size_t i = 0; i < run.executed.size(); i += 2)
    EXPECT_EQ(run.executed[i] + run.executed[i + 1], 4 * 4 * 64);
}

TEST(LayoutBits, AreTheSameOfTopK) {
  launcher::RunConfig config = invariant_config();
  config.model.router.kind = router::RouterKind::top_k;
  config.model.router.normalisation = router::ScoreNormalisation::off;
  config.model.router.z_loss = 0.001;
  config.model.tied_embeddings = true;
  config.budget.mode = budget::Mode::off;

  expect_same_bits_everywhere(config);
}

TEST(LayoutBits, AreTheSameWhereSomeRanksHaveNoLane) {
  launcher::RunConfig config = invariant_config();
  config.training.lanes = 3;
  config.training.steps = 20;

  const Outcome alone = run_on({}, config);
  for (const int ranks : {2, 4}) {
    SCOPED_TRACE(ranks);
    expect_equal_bits(run_on({.world = ranks, .expert_parallel = ranks}, config), alone);
  }
}

TEST(LayoutBits, DifferWhereOnlyRepeatsAreAskedFor) {
  // What these tests look at can tell runs apart.
  launcher::RunConfig config = invariant_config();
  config.training.determinism = Determinism::repeatable;

  const Outcome alone = run_on({}, config);

  EXPECT_TRUE(run_on({}, config).weights == alone.weights);
  EXPECT_FALSE(run_on({.world = 2, .expert_parallel = 1}, config).weights == alone.weights);
  EXPECT_FALSE(run_on({.world = 2, .expert_parallel = 2}, config).weights == alone.weights);
}

TEST(LayoutBits, GradientsAreThoseOfARepeatableRun) {
  launcher::RunConfig config = invariant_config();
  config.training.steps = 1;
  const Outcome exact = run_on({}, config);
  config.training.determinism = Determinism::repeatable;

  const Outcome repeatable = run_on({}, config);

  EXPECT_NEAR(exact.losses[0], repeatable.losses[0], 1e-12 * repeatable.losses[0]);
  EXPECT_NEAR(exact.gradient_norms[0], repeatable.gradient_norms[0],
              1e-6 * repeatable.gradient_norms[0]);
  // One lane after the other in f32, against exact sums of lanes.
  for (const auto& [name, numbers] : repeatable.gradients) {
    double difference = 0;
    double size = 0;
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      difference += std::pow(exact.gradients.at(name)[i] - numbers[i], 2);
      size += std::pow(numbers[i], 2);
    }
    EXPECT_LE(std::sqrt(difference), 1e-6 * std::sqrt(size)) << name;
  }
}

TEST(LayoutBits, AContributionThatDoesNotFitSkipsTheStepOnEveryLayout) {
  launcher::RunConfig config = invariant_config();
  config.training.steps = 12;
  FixedPoint narrow = *launcher::exact_gradients(config);
  narrow.limit = 32;

  const Outcome alone = run_on({}, config, narrow);

  EXPECT_THAT(alone.skipped, Not(IsEmpty()));
  EXPECT_LT(alone.skipped.size(), 12U) << "some steps are to go through";
  for (const int step : alone.skipped)
    EXPECT_TRUE(std::isinf(alone.gradient_norms[static_cast<std::size_t>(step)]));
  expect_equal_bits(run_on({.world = 2, .expert_parallel = 2}, config, narrow), alone);
  expect_equal_bits(run_on({.world = 4, .expert_parallel = 2}, config, narrow), alone);
}

}  // namespace
}  // namespace softmoe::test
