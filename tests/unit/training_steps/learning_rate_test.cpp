#include "training/learning_rate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace softmoe::training {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;

constexpr std::int64_t kSteps = 12;

model::OptimizerConfig config() {
  return {.learning_rate = 2.0,
          .final_ratio = 0.1,
          .warmup_steps = 4,
          .router_ratio = 0.5,
          .layer_means_rate = 0.01,
          .layer_means_freeze = 0.25};
}

TEST(LearningRate, RisesLinearlyToItsPeak) {
  std::vector<double> rates;
  for (std::int64_t step = 0; step <= 4; ++step)
    rates.push_back(rates_at(config(), step, kSteps).matrix);

  EXPECT_THAT(rates, ElementsAre(DoubleNear(0.4, 1e-12), DoubleNear(0.8, 1e-12),
                                 DoubleNear(1.2, 1e-12), DoubleNear(1.6, 1e-12), 2.0));
}

TEST(LearningRate, FallsAsAHalfCosineToItsFinalRatio) {
  const auto rate = [](std::int64_t step) { return rates_at(config(), step, kSteps).matrix; };

  EXPECT_NEAR(rate(6), 2.0 * (0.1 + 0.9 * 0.853553390593274), 1e-12);  // (1 + cos 45) / 2
  EXPECT_NEAR(rate(8), 2.0 * 0.55, 1e-12);                             // half way
  EXPECT_NEAR(rate(10), 2.0 * (0.1 + 0.9 * 0.146446609406726), 1e-12);
  EXPECT_NEAR(rate(12), 2.0 * 0.1, 1e-12);
  EXPECT_NEAR(rate(500), 2.0 * 0.1, 1e-12);  // a run that goes on stays there
}

TEST(LearningRate, StartsAtItsPeakWithoutWarmUp) {
  model::OptimizerConfig without = config();
  without.warmup_steps = 0;

  EXPECT_DOUBLE_EQ(rates_at(without, 0, kSteps).matrix, 2.0);
}

TEST(LearningRate, OfARunThatEndsInItsWarmUpNeverFalls) {
  model::OptimizerConfig slow = config();
  slow.warmup_steps = 100;

  for (std::int64_t step = 1; step < kSteps; ++step) {
    EXPECT_GT(rates_at(slow, step, kSteps).matrix, rates_at(slow, step - 1, kSteps).matrix);
  }
}

TEST(LearningRate, GroupsFollowTheSameShape) {
  for (const std::int64_t step : {0, 3, 7, 11}) {
    const model::GroupRates rates = rates_at(config(), step, kSteps);

    EXPECT_EQ(rates.vector, rates.matrix);
    EXPECT_DOUBLE_EQ(rates.router, rates.matrix * 0.5);
  }
}

TEST(LearningRate, LayerMeansWaitForTheirPartOfTheRun) {
  const auto rate = [](std::int64_t step) { return rates_at(config(), step, kSteps).layer_means; };

  EXPECT_EQ(rate(0), 0.0);
  EXPECT_EQ(rate(2), 0.0);  // a quarter of 12 steps: 0, 1, 2
  EXPECT_NEAR(rate(3), 0.01 * 0.8, 1e-15);
  EXPECT_NEAR(rate(8), 0.01 * 0.55, 1e-15);
}

}  // namespace
}  // namespace softmoe::training
