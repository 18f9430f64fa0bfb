#include "coordinator/budget_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "budget/quota.h"

namespace softmoe::coordinator {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class BudgetWatchOfARun : public ::testing::Test {
 protected:
  BudgetWatchOfARun() {
    config_.window_steps = 10;
    config_.max_window_error_ratio = 0.02;
    set_points_.budget = 4.0;
  }

  /// One step that executes so many rows per token, 1000 tokens, in layers of 1 : 3.
  std::vector<Finding> step(double per_token) {
    const auto rows = static_cast<std::int64_t>(per_token * 1000);
    return watch_.observe({.in_force = {.step = Step{next_++}},
                           .tokens = 1000,
                           .executed_L = {rows / 4, rows - rows / 4},
                           .gain_L = {1, 1},
                           .boundary_mass_L = {1, 1},
                           .soft_mass_L = {2, 2}},
                          set_points_);
  }
  std::vector<Finding> steps(int num_steps, double per_token) {
    std::vector<Finding> findings;
    for (int i = 0; i < num_steps; ++i) {
      for (const Finding& finding : step(per_token)) findings.push_back(finding);
    }
    return findings;
  }

  CoordinatorConfig config_;
  budget::SetPoints set_points_;
  BudgetWatch watch_{config_};
  std::int64_t next_ = 0;
};

TEST_F(BudgetWatchOfARun, TheServoHasTimeToSettle) {
  EXPECT_THAT(steps(kSettlingSteps, 6.0), IsEmpty());
  EXPECT_EQ(watch_.window_steps(), 0);
  EXPECT_THAT(steps(9, 6.0), IsEmpty()) << "not a full window";

  const std::vector<Finding> findings = step(6.0);

  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].kind, AlarmKind::budget_missed);
  EXPECT_THAT(findings[0].text, HasSubstr("+50.00 % off the budget of 4"));
}

TEST_F(BudgetWatchOfARun, AnExcursionIsOneAlarmUntilItIsWellOver) {
  EXPECT_THAT(steps(kSettlingSteps + 10, 4.0), IsEmpty());
  EXPECT_THAT(steps(30, 4.2), SizeIs(1));
  EXPECT_THAT(steps(30, 4.06), IsEmpty()) << "1.5 %: held, but not over";
  EXPECT_THAT(steps(30, 4.2), IsEmpty());
  EXPECT_THAT(steps(30, 4.0), IsEmpty());
  EXPECT_THAT(steps(30, 3.8), SizeIs(1)) << "below the budget is off it too";
}

TEST_F(BudgetWatchOfARun, ErrorsThatCancelInTheMeanAreStillErrors) {
  (void)steps(kSettlingSteps, 4.0);
  std::vector<Finding> findings;
  for (int i = 0; i < 10; ++i) {
    for (const Finding& finding : step(i % 2 == 0 ? 3.6 : 4.4)) findings.push_back(finding);
  }

  EXPECT_THAT(findings, SizeIs(1));
  EXPECT_NEAR(watch_.mean_error_ratio(), 0.0, 1e-9);
  EXPECT_NEAR(watch_.rms_error_ratio(), 0.1, 1e-9);
}

TEST_F(BudgetWatchOfARun, AChangeOfBudgetModeOrCostsBeginsANewWindow) {
  (void)steps(kSettlingSteps + 10, 4.0);
  set_points_.budget = 5.0;
  EXPECT_THAT(steps(kSettlingSteps, 4.0), IsEmpty());
  EXPECT_EQ(watch_.window_steps(), 0);
  EXPECT_THAT(steps(10, 5.0), IsEmpty());
  set_points_.layer_cost_L = {1.0, 2.0};
  EXPECT_THAT(steps(kSettlingSteps, 5.0), IsEmpty());
  set_points_.mode = budget::Mode::off;
  EXPECT_THAT(steps(100, 9.0), IsEmpty());
  EXPECT_EQ(watch_.window_steps(), 0);
}

TEST_F(BudgetWatchOfARun, CostsWeighTheRows) {
  set_points_.layer_cost_L = {1.0, 2.0};
  set_points_.budget = 7.0;  // 1 + 2 * 3

  EXPECT_THAT(steps(kSettlingSteps + 10, 4.0), IsEmpty());

  EXPECT_NEAR(watch_.mean_error_ratio(), 0.0, 1e-12);
}

TEST_F(BudgetWatchOfARun, InModeQuotaEveryStepIsExact) {
  set_points_.mode = budget::Mode::quota;
  set_points_.budget = 3.9997;  // 3999.7 rows a step
  const auto of_step = [&](std::int64_t step) {
    return budget::quota_of_step(3.9997, Step(step), 1000);
  };
  std::int64_t sum = 0;
  for (int i = 0; i < 20; ++i) {
    sum += of_step(next_);
    EXPECT_THAT(step((static_cast<double>(of_step(next_)) + 0.5) / 1000.0), IsEmpty());
  }
  EXPECT_EQ(sum, 79994);

  const std::vector<Finding> findings = step((static_cast<double>(of_step(next_)) + 1.5) / 1000.0);

  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].kind, AlarmKind::budget_missed);
  EXPECT_THAT(findings[0].text, HasSubstr("its quota is exactly"));
}

TEST_F(BudgetWatchOfARun, ALayerOutsideItsBoundsIsNamedOncePerExcursion) {
  set_points_.layer_max_L = {2.0, 2.5};

  const std::vector<Finding> findings = steps(kSettlingSteps + 30, 4.0);

  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].kind, AlarmKind::layer_bounds);
  EXPECT_THAT(findings[0].text, HasSubstr("layer 1 executed 3.000 per token and is to stay at or "
                                          "below 2.5"));
}

TEST_F(BudgetWatchOfARun, ALayerAtItsBoundIsInside) {
  set_points_.layer_min_L = {1.0, 3.0};
  set_points_.layer_max_L = {1.0, 3.0};

  EXPECT_THAT(steps(kSettlingSteps + 30, 4.0), IsEmpty());
}

}  // namespace
}  // namespace softmoe::coordinator
