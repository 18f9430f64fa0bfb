#include "budget/budget_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/config/load.h"
#include "tests/support/config_refusals.h"

namespace softmoe::budget {
namespace {

using ::testing::HasSubstr;

TEST(BudgetConfig, TheDefaultsMakeAServoAtTheSoftMass) {
  const BudgetConfig config;

  const SetPoints set_points = set_points_of(config, {.soft_mass = 9.5, .alpha = 2.0});

  EXPECT_EQ(refusals(config), "");
  EXPECT_EQ(find_fault(set_points), std::nullopt);
  EXPECT_EQ(set_points.budget, 9.5);
  EXPECT_EQ(set_points.mode, Mode::servo);
  EXPECT_EQ(set_points.gains.delay, kTrainerDelay);
  EXPECT_EQ(set_points.gains.newton, 0.5);
  EXPECT_EQ(set_points.temperature.start, 2.0);
  EXPECT_EQ(set_points.temperature.end, 2.0);
}

TEST(BudgetConfig, WhatIsConfiguredIsWhatHolds) {
  BudgetConfig config;
  config.total = 12.0;
  config.initial_lambda = 0.5;
  config.newton_gain = 0.3;
  config.layer_costs = {1.0, 2.0};
  config.temperature.kind = TemperatureKind::cosine;
  config.temperature.start = 5.0;

  const SetPoints set_points = set_points_of(config, {.soft_mass = 9.5, .alpha = 2.0});

  EXPECT_EQ(set_points.budget, 12.0);
  EXPECT_EQ(set_points.initial_lambda, 0.5);
  EXPECT_EQ(set_points.gains.newton, 0.3);
  EXPECT_EQ(set_points.gains.debt, 0.1);
  EXPECT_EQ(set_points.layer_cost_L, config.layer_costs);
  EXPECT_EQ(set_points.temperature.kind, TemperatureKind::cosine);
  EXPECT_EQ(set_points.temperature.start, 5.0);
}

TEST(BudgetConfig, IsReadFromItsSection) {
  const std::vector<std::string> overrides = {"mode=off", "total=12", "layer_costs=[1, 2.5]",
                                              "temperature.kind=boundary_mass",
                                              "temperature.end_softness=0.3"};

  const BudgetConfig config = config::load<BudgetConfig>(config::Source::none(), overrides).value;

  EXPECT_EQ(config.mode, Mode::off);
  EXPECT_EQ(config.total, 12.0);
  EXPECT_THAT(config.layer_costs, testing::ElementsAre(1.0, 2.5));
  EXPECT_EQ(config.temperature.kind, TemperatureKind::boundary_mass);
  EXPECT_EQ(config.temperature.end_softness, 0.3);
}

TEST(BudgetConfig, AcceptsAQuotaWithBoundsOfLayers) {
  BudgetConfig config;
  config.mode = Mode::quota;
  config.layer_min = {1.0, 2.0};
  config.layer_max = {3.0, 9.0};

  const SetPoints set_points = set_points_of(config, {.soft_mass = 9.5});

  EXPECT_EQ(refusals(config), "");
  EXPECT_EQ(set_points.mode, Mode::quota);
  EXPECT_EQ(set_points.layer_min_L, config.layer_min);
  EXPECT_EQ(set_points.layer_max_L, config.layer_max);
}

TEST(BudgetConfig, AScheduleBecomesChangesOfTheBudgetAlone) {
  const std::vector<std::string> overrides = {"total=12", "mode=quota", "layer_min=[1, 2]",
                                              "schedule.from_steps=[10, 200]",
                                              "schedule.totals=[8, 6.5]"};
  const BudgetConfig config = config::load<BudgetConfig>(config::Source::none(), overrides).value;

  const std::vector<SetPointChange> planned = planned_changes(config, {.alpha = 2.0});

  ASSERT_EQ(planned.size(), 3U);
  const double budgets[] = {12.0, 8.0, 6.5};
  const std::int64_t steps[] = {0, 10, 200};
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(planned[i].effective_from, Step{steps[i]});
    EXPECT_EQ(planned[i].set_points.budget, budgets[i]);
    EXPECT_EQ(planned[i].set_points.revision, static_cast<std::int64_t>(i));
    EXPECT_EQ(planned[i].set_points.mode, Mode::quota);
    EXPECT_EQ(planned[i].set_points.layer_min_L, config.layer_min);
    EXPECT_EQ(planned[i].set_points.temperature.start, 2.0);
  }
}

TEST(BudgetConfig, WithoutAScheduleThereIsOneSetOfSetPoints) {
  EXPECT_EQ(planned_changes(BudgetConfig{}, {.soft_mass = 9.5}).size(), 1U);
}

TEST(BudgetConfig, RefusesASchedulesListsThatDoNotFit) {
  BudgetScheduleConfig schedule;
  schedule.from_steps = {10, 20};
  schedule.totals = {8.0};
  EXPECT_THAT(refusals(schedule), HasSubstr("has 1 numbers for 2 from_steps"));
  schedule.totals = {8.0, 9.0};
  EXPECT_EQ(refusals(schedule), "");
  schedule.from_steps = {20, 20};
  EXPECT_THAT(refusals(schedule), HasSubstr("must rise, but 20 follows 20"));
}

TEST(BudgetConfig, RefusesALambdaOutsideItsBounds) {
  BudgetConfig config;
  config.initial_lambda = 9.0;

  EXPECT_THAT(refusals(config), HasSubstr("initial_lambda"));
  EXPECT_THAT(refusals(config), HasSubstr("must be from min_lambda = -8 to max_lambda = 8"));
}

TEST(BudgetConfig, RefusesGainsThatMakeTheServoUnstable) {
  BudgetConfig config;
  config.newton_gain = 1.95;

  EXPECT_THAT(refusals(config), HasSubstr("must be below 1.9 with a debt_gain of 0.1"));
}

TEST(TemperatureConfig, RefusesAStartOutsideTheClosedLoopsBounds) {
  TemperatureConfig config;
  config.kind = TemperatureKind::boundary_mass;
  config.start = 20.0;

  EXPECT_THAT(refusals(config), HasSubstr("must be from floor = 0.05 to ceiling = 16"));
}

}  // namespace
}  // namespace softmoe::budget
