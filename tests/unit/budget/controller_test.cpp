#include "budget/controller.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "runtime/base/errors.h"
#include "tests/unit/budget/records.h"

namespace softmoe::budget {
namespace {

using ::testing::HasSubstr;
using ::testing::Optional;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

SetPoints budget_of(double budget) {
  return {.budget = budget};
}

/// Feeds `num_steps` records of `executed` rows each, whatever lambda does.
ControllerState feed(ControllerState state, const SetPoints& set_points, std::int64_t executed,
                     int num_steps) {
  for (int i = 0; i < num_steps; ++i) {
    const Step step{state.last_record.value + 1};
    const ControlWord word = word_for(step, state, set_points);
    state = decide(state, record_of(word, executed), set_points).state;
  }
  return state;
}

TEST(Controller, TakesTheDampedNewtonStepWithTheDebt) {
  const SetPoints set_points = budget_of(4.0);
  const ControllerState before = initial_state(set_points);
  const StepRecord record = record_of(word_for(Step{0}, before, set_points), 480);

  const Decision decision = decide(before, record, set_points);

  // C = 4.8, e = D = 0.8, gain = 4: 0.5 (0.8 + 0.1 * 0.8) / 4.
  EXPECT_NEAR(decision.word.lambda, 0.11, 1e-15);
  EXPECT_NEAR(decision.state.debt, 0.8, 1e-15);
  EXPECT_EQ(decision.state.gain, 4.0);
  EXPECT_EQ(decision.refused, std::nullopt);
}

TEST(Controller, TooFewExecutionsLowerTheSurface) {
  const SetPoints set_points = budget_of(4.0);
  const ControllerState before = initial_state(set_points);

  const Decision decision =
      decide(before, record_of(word_for(Step{0}, before, set_points), 320), set_points);

  EXPECT_NEAR(decision.word.lambda, -0.11, 1e-15);
}

TEST(Controller, DecidesForTheStepOfItsDelay) {
  SetPoints set_points = budget_of(4.0);
  set_points.revision = 7;
  set_points.term = 3;
  const ControllerState state = initial_state(set_points);
  const StepRecord record = record_of(word_for(Step{10}, state, set_points), 400);

  const ControlWord next = decide(state, record, set_points).word;
  set_points.gains = gains_for(2);
  const ControlWord second_next = decide(state, record, set_points).word;

  EXPECT_EQ(next.step, Step{11});
  EXPECT_EQ(second_next.step, Step{12});
  EXPECT_EQ(next.revision, 7);
  EXPECT_EQ(next.term, 3);
  EXPECT_EQ(next.budget, 4.0);
  EXPECT_EQ(next.mode, Mode::servo);
  EXPECT_EQ(next.requests, 0U);
}

TEST(Controller, WeighsLayersByTheirCost) {
  SetPoints set_points = budget_of(8.0);
  set_points.layer_cost_L = {3.0, 1.0};
  const ControllerState before = initial_state(set_points);
  const StepRecord record = record_of(word_for(Step{0}, before, set_points), 480);

  const Decision decision = decide(before, record, set_points);

  // C = 3 * 2.4 + 2.4 = 9.6, gain = 3 * 2 + 2 = 8: 0.5 * 1.1 * 1.6 / 8.
  EXPECT_NEAR(decision.word.lambda, 0.11, 1e-15);
}

TEST(Controller, OneMoveOfLambdaIsBounded) {
  const SetPoints set_points = budget_of(1.0);
  const ControllerState before = initial_state(set_points);

  const Decision decision =
      decide(before, record_of(word_for(Step{0}, before, set_points), 3000), set_points);

  EXPECT_EQ(decision.word.lambda, set_points.gains.max_step);
}

TEST(Controller, AGainNearZeroIsFloored) {
  const SetPoints set_points = budget_of(4.0);
  const ControllerState before = initial_state(set_points);
  StepRecord record = record_of(word_for(Step{0}, before, set_points), 404);
  record.gain_L = {0.0, 0.0};

  const Decision decision = decide(before, record, set_points);

  // The floor is 0.05 * 4 = 0.2: 0.5 * 1.1 * 0.04 / 0.2.
  EXPECT_NEAR(decision.word.lambda, 0.11, 1e-12);
}

TEST(Controller, TheGainEstimateRisesAtOnceAndFallsSlowly) {
  const SetPoints set_points = budget_of(4.0);
  ControllerState state = feed(initial_state(set_points), set_points, 400, 1);
  StepRecord low = record_of(word_for(Step{1}, state, set_points), 400);
  low.gain_L = {0.5, 0.5};
  StepRecord high = low;
  high.gain_L = {10.0, 10.0};

  EXPECT_NEAR(decide(state, low, set_points).state.gain, 4.0 + 0.3 * (1.0 - 4.0), 1e-15);
  EXPECT_EQ(decide(state, high, set_points).state.gain, 20.0);
}

TEST(Controller, ABudgetBelowReachDoesNotWindUp) {
  const SetPoints set_points = budget_of(1.0);

  const ControllerState on_the_bound = feed(initial_state(set_points), set_points, 200, 100);
  const ControllerState much_later = feed(on_the_bound, set_points, 200, 1000);

  EXPECT_EQ(on_the_bound.lambda, set_points.max_lambda);
  EXPECT_EQ(much_later.lambda, set_points.max_lambda);
  EXPECT_EQ(much_later.debt, on_the_bound.debt);
}

TEST(Controller, ABudgetAboveReachDoesNotWindUp) {
  const SetPoints set_points = budget_of(4.0);

  const ControllerState on_the_bound = feed(initial_state(set_points), set_points, 200, 50);
  const ControllerState much_later = feed(on_the_bound, set_points, 200, 1000);

  EXPECT_EQ(on_the_bound.lambda, set_points.min_lambda);
  EXPECT_EQ(much_later.debt, on_the_bound.debt);
}

TEST(Controller, LeavesTheBoundAsSoonAsTheErrorTurns) {
  const SetPoints set_points = budget_of(2.0);
  const ControllerState stuck = feed(initial_state(set_points), set_points, 300, 1000);
  ASSERT_EQ(stuck.lambda, set_points.max_lambda);

  // Half a budget short: more than the largest repayment of a tenth, whatever the debt is.
  const ControllerState freed = feed(stuck, set_points, 100, 1);

  EXPECT_LT(freed.lambda, set_points.max_lambda);
  EXPECT_LT(freed.debt, stuck.debt);
}

TEST(Controller, RepaysAtMostATenthOfTheBudgetPerStep) {
  const SetPoints set_points = budget_of(4.0);
  ControllerState indebted = initial_state(set_points);
  indebted.debt = 1000.0;

  const ControllerState after = feed(indebted, set_points, 400, 1);

  EXPECT_NEAR(after.lambda, 0.5 * 0.4 / 4.0, 1e-15);
}

TEST(Controller, MeetsANewBudgetByOneStepAndOwesNothingForIt) {
  const SetPoints set_points = budget_of(4.0);
  const ControllerState before = initial_state(set_points);
  const StepRecord on_budget = record_of(word_for(Step{0}, before, set_points), 400);

  const Decision decision = decide(before, on_budget, budget_of(3.0));

  EXPECT_NEAR(decision.word.lambda, 0.5 * 1.0 / 4.0, 1e-15);
  EXPECT_EQ(decision.word.budget, 3.0);
  EXPECT_EQ(decision.state.debt, 0.0);
}

TEST(Controller, OnABoundADebtIsStillRepaidByWhatIsSaved) {
  SetPoints set_points = budget_of(4.0);
  set_points.initial_lambda = set_points.max_lambda;
  ControllerState indebted = initial_state(set_points);
  indebted.debt = 50.0;

  const ControllerState after = feed(indebted, set_points, 390, 1);

  EXPECT_EQ(after.lambda, set_points.max_lambda);
  EXPECT_NEAR(after.debt, 49.9, 1e-12);
}

TEST(Controller, OffHoldsLambdaAndForgetsTheDebt) {
  SetPoints off = budget_of(4.0);
  off.mode = Mode::off;
  ControllerState state = initial_state(off);
  state.lambda = 0.25;
  state.debt = 30.0;

  state = feed(state, off, 900, 20);

  EXPECT_EQ(state.lambda, 0.25);
  EXPECT_EQ(state.debt, 0.0);
}

TEST(Controller, AStepThatRanUnderOffOwesNothingToTheServo) {
  SetPoints off = budget_of(4.0);
  off.mode = Mode::off;
  const ControllerState before = initial_state(off);
  const StepRecord overdrawn = record_of(word_for(Step{0}, before, off), 480);

  const ControllerState after = decide(before, overdrawn, budget_of(4.0)).state;

  EXPECT_EQ(after.debt, 0.0);
  EXPECT_NEAR(after.lambda, 0.5 * 0.8 / 4.0, 1e-15);
}

TEST(Controller, RefusesANumberThatIsNotFiniteAndHolds) {
  const SetPoints set_points = budget_of(4.0);
  const ControllerState before = feed(initial_state(set_points), set_points, 480, 3);
  StepRecord record = record_of(word_for(Step{3}, before, set_points), 480);
  record.gain_L[1] = kNan;

  const Decision decision = decide(before, record, set_points);

  EXPECT_THAT(decision.refused, Optional(HasSubstr("gain of layer 1 is nan")));
  EXPECT_EQ(decision.state, before);
  EXPECT_EQ(decision.word, word_for(Step{4}, before, set_points));
}

TEST(Controller, RefusesGainsWithoutAFiniteSum) {
  const SetPoints set_points = budget_of(4.0);
  const ControllerState before = initial_state(set_points);
  StepRecord record = record_of(word_for(Step{0}, before, set_points), 480);
  record.gain_L = {1e308, 1e308};

  EXPECT_THAT(decide(before, record, set_points).refused, Optional(HasSubstr("no finite sum")));
}

TEST(Controller, RefusesToCountAStepTwice) {
  const SetPoints set_points = budget_of(4.0);
  const ControllerState before = initial_state(set_points);
  const StepRecord record = record_of(word_for(Step{0}, before, set_points), 480);
  const ControllerState counted = decide(before, record, set_points).state;

  const Decision again = decide(counted, record, set_points);

  EXPECT_THAT(again.refused, Optional(HasSubstr("step 0 was already counted")));
  EXPECT_EQ(again.state, counted);
}

TEST(Controller, RefusesARecordOfOtherLayersThanTheCosts) {
  SetPoints set_points = budget_of(4.0);
  set_points.layer_cost_L = {1.0, 1.0, 1.0};
  const ControllerState before = initial_state(set_points);

  const Decision decision =
      decide(before, record_of(word_for(Step{0}, before, set_points), 480), set_points);

  EXPECT_THAT(decision.refused, Optional(HasSubstr("2 layers, but the set-points hold the costs")));
}

TEST(Controller, RefusesARecordOfOtherLayersThanTheBounds) {
  SetPoints set_points = budget_of(4.0);
  set_points.layer_max_L = {4.0, 4.0, 4.0};
  const ControllerState before = initial_state(set_points);

  const Decision decision =
      decide(before, record_of(word_for(Step{0}, before, set_points), 480), set_points);

  EXPECT_THAT(decision.refused, Optional(HasSubstr("the set-points hold the bounds of 3")));
}

TEST(Controller, AQuotaLeavesLambdaAndForgetsTheDebt) {
  SetPoints set_points = budget_of(4.0);
  set_points.mode = Mode::quota;
  ControllerState before = initial_state(set_points);
  before.lambda = 0.7;
  before.debt = 3.0;

  const Decision decision =
      decide(before, record_of(word_for(Step{0}, before, set_points), 480), set_points);

  EXPECT_EQ(decision.refused, std::nullopt);
  EXPECT_EQ(decision.state.lambda, 0.7);
  EXPECT_EQ(decision.state.debt, 0.0);
  EXPECT_EQ(decision.state.gain, 4.0);  // still watched, for the servo to come
  EXPECT_EQ(decision.word.mode, Mode::quota);
  EXPECT_EQ(decision.word.lambda, 0.7);
  EXPECT_EQ(decision.word.budget, 4.0);
}

TEST(Controller, AServoAfterAQuotaStartsFromItsLambdaAndOwesNothing) {
  SetPoints servo = budget_of(4.0);
  SetPoints quota = servo;
  quota.mode = Mode::quota;
  ControllerState state = initial_state(servo);
  state.lambda = 0.7;
  const StepRecord under_quota = record_of(word_for(Step{0}, state, quota), 480);

  const Decision decision = decide(state, under_quota, servo);

  EXPECT_EQ(decision.state.debt, 0.0);
  // Newton 0.5 of (4.8 - 4) at a gain of 4, from where it stood.
  EXPECT_NEAR(decision.word.lambda, 0.7 + 0.5 * 0.8 / 4.0, 1e-12);
}

TEST(Controller, AWordWithoutARecordKeepsTheTemperatureOnItsSchedule) {
  SetPoints set_points = budget_of(4.0);
  set_points.temperature = {
      .kind = TemperatureKind::cosine, .start = 5.0, .end = 1.0, .num_steps = 100};
  const ControllerState state = initial_state(set_points);

  EXPECT_EQ(word_for(Step{0}, state, set_points).alpha, 5.0);
  EXPECT_NEAR(word_for(Step{50}, state, set_points).alpha, 3.0, 1e-12);
  EXPECT_EQ(word_for(Step{100}, state, set_points).alpha, 1.0);
}

}  // namespace
}  // namespace softmoe::budget
