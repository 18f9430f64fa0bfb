// The budget mode quota on a model that trains: exact in every step, on any number of ranks, under
// changes, and in evaluation by the cuts that it leaves.

#include "budget/quota.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <numeric>
#include <vector>

#include "tests/support/local_world.h"
#include "tests/unit/training_steps/small_run.h"
#include "training/evaluation.h"

namespace softmoe::test {
namespace {

using testing::HasSubstr;

std::int64_t tokens_of(const RunPlan& plan) {
  return std::int64_t{plan.training.lanes} * plan.training.lane_sequences * plan.model.positions;
}

/// A quota of no whole number of rows.
RunPlan quota_plan(std::int64_t steps = 12) {
  RunPlan plan = small_plan();
  plan.set_points.mode = budget::Mode::quota;
  plan.set_points.budget = 4.1234;
  plan.training.steps = steps;
  return plan;
}

using Executed = std::vector<std::vector<std::int64_t>>;  ///< per step and layer

std::int64_t sum(const std::vector<std::int64_t>& rows) {
  return std::accumulate(rows.begin(), rows.end(), std::int64_t{0});
}

/// Runs the plan on so many ranks and returns what rank 0 recorded; the others' must be the same.
Executed run_on(int ranks, const RunPlan& plan) {
  std::vector<Executed> executed(static_cast<std::size_t>(ranks));
  run_ranks(ranks, [&](parallel::Communicator& world, OnDevice& on) {
    SmallRun run(plan, world, on.work);
    for (std::int64_t step = 0; step < plan.training.steps; ++step) {
      const training::StepResult& result = run.step();
      executed[static_cast<std::size_t>(world.rank().value)].push_back(result.record.executed_L);
      EXPECT_EQ(result.record_refused, std::nullopt);
    }
  });
  for (const Executed& each : executed) EXPECT_EQ(each, executed[0]);
  return executed[0];
}

TEST(QuotaInTraining, ExecutesExactlyTheQuotaOfEveryStepOnAnyNumberOfRanks) {
  const RunPlan plan = quota_plan();
  for (const int ranks : {1, 2, 4}) {
    const Executed executed = run_on(ranks, plan);
    std::int64_t total = 0;
    for (std::size_t step = 0; step < executed.size(); ++step) {
      const Step at(static_cast<std::int64_t>(step));
      EXPECT_EQ(sum(executed[step]),
                budget::quota_of_step(plan.set_points.budget, at, tokens_of(plan)))
          << ranks << " ranks, step " << step;
      total += sum(executed[step]);
    }
    EXPECT_EQ(total, static_cast<std::int64_t>(std::floor(12 * plan.set_points.budget *
                                                          static_cast<double>(tokens_of(plan)))));
  }
}

TEST(QuotaInTraining, HoldsWhereSomeRanksHaveNoTokens) {
  RunPlan plan = quota_plan();
  plan.training.lanes = 3;
  for (const int ranks : {1, 4}) {
    const Executed executed = run_on(ranks, plan);
    for (std::size_t step = 0; step < executed.size(); ++step) {
      EXPECT_EQ(sum(executed[step]),
                budget::quota_of_step(plan.set_points.budget, Step(static_cast<std::int64_t>(step)),
                                      tokens_of(plan)));
    }
  }
}

TEST(QuotaInTraining, HoldsWithoutAFloorAndWithRenormalisedGates) {
  RunPlan plan = quota_plan();
  plan.model.router.floor = 0;
  plan.model.router.gate = router::GateRule::renormalised;
  plan.model.router.noise_std = 0.3;

  for (const auto& rows_L : run_on(2, plan)) {
    EXPECT_NEAR(static_cast<double>(sum(rows_L)), 4.1234 * 256, 1.0);
  }
}

TEST(QuotaInTraining, KeepsEveryLayerInsideItsBounds) {
  RunPlan plan = quota_plan();
  plan.set_points.layer_min_L = {2.5, 0.0};
  plan.set_points.layer_max_L = {8.0, 1.5};
  for (const int ranks : {1, 2}) {
    for (const auto& rows_L : run_on(ranks, plan)) {
      EXPECT_GE(rows_L[0], 640);  // 2.5 * 256
      EXPECT_EQ(rows_L[1], 384);  // 1.5 * 256; the means would give it half
    }
  }
}

TEST(QuotaInTraining, SpendsUnequalCostsToTheLastRow) {
  RunPlan plan = quota_plan();
  plan.set_points.layer_cost_L = {1.0, 3.0};
  plan.set_points.budget = 8.0;
  plan.model.router.total_mass = 4.0;

  for (const auto& rows_L : run_on(2, plan)) {
    const std::int64_t cost = rows_L[0] + 3 * rows_L[1];
    EXPECT_LE(cost, 8 * 256);
    EXPECT_GT(cost, 8 * 256 - 1);
  }
}

/// Set-points as they stand from a step on.
budget::SetPointChange change(std::int64_t step, std::int64_t revision, budget::SetPoints points) {
  points.revision = revision;
  return {Step(step), points};
}

TEST(QuotaInTraining, ChangesWithTheSetPointsThatOnlyRankZeroKnows) {
  RunPlan plan = quota_plan(/*steps=*/8);
  budget::SetPoints bounded = plan.set_points;
  bounded.budget = 5.0;
  bounded.layer_max_L = {2.0, 4.0};
  budget::SetPoints servo = plan.set_points;
  servo.mode = budget::Mode::servo;
  plan.later = {change(2, 1, bounded), change(4, 2, servo), change(6, 3, bounded)};

  const Executed executed = run_on(2, plan);

  EXPECT_EQ(sum(executed[1]), budget::quota_of_step(4.1234, Step(1), 256));
  for (const std::size_t step : {2, 3, 6, 7}) {
    EXPECT_EQ(sum(executed[step]), 5 * 256) << step;
    EXPECT_LE(executed[step][0], 2 * 256) << step;
  }
  EXPECT_NE(sum(executed[4]), budget::quota_of_step(4.1234, Step(4), 256));  // the servo is coarse
}

TEST(QuotaInTraining, TheServoTakesOverFromTheLambdaItLeft) {
  RunPlan plan = quota_plan(/*steps=*/6);
  plan.set_points.initial_lambda = 0.4;
  budget::SetPoints servo = plan.set_points;
  servo.mode = budget::Mode::servo;
  plan.later = {change(3, 1, servo)};

  run_ranks(1, [&](parallel::Communicator& world, OnDevice& on) {
    SmallRun run(plan, world, on.work);
    for (int step = 0; step < 3; ++step) EXPECT_EQ(run.step().record.in_force.lambda, 0.4);
    EXPECT_FALSE(run.model().routing().cuts().empty());
    const budget::ControlWord& first = run.step().record.in_force;
    EXPECT_EQ(first.mode, budget::Mode::servo);
    EXPECT_NEAR(first.lambda, 0.4, 0.01);  // the quota was met: there is nothing to correct
    EXPECT_TRUE(run.model().routing().cuts().empty());
  });
}

TEST(QuotaInTraining, EvaluationRunsTheBudgetByTheCutsThatTrainingLeft) {
  RunPlan plan = quota_plan(/*steps=*/60);
  plan.training.lane_sequences = 16;
  plan.tokens = chained_tokens(40000, plan.model.vocabulary);
  for (const int ranks : {1, 2}) {
    run_ranks(ranks, [&](parallel::Communicator& world, OnDevice& on) {
      SmallRun run(plan, world, on.work);
      training::Evaluator evaluator({.model = run.model(),
                                     .world = world,
                                     .source = run.source(),
                                     .work = on.work,
                                     .lane_sequences = 8});
      const model::RoutingControl control = {.alpha = 1.0, .lambda = 0.0};
      const double before = evaluator.evaluate(control, 512).experts_per_token();
      for (std::int64_t step = 0; step < plan.training.steps; ++step) (void)run.step();

      const training::Evaluation evaluation = evaluator.evaluate(control, 512);

      EXPECT_GT(before, 1.2 * plan.set_points.budget);  // lambda alone says nothing of the budget
      EXPECT_NEAR(evaluation.experts_per_token(), plan.set_points.budget,
                  0.03 * plan.set_points.budget);
    });
  }
}

TEST(QuotaInTraining, LeavesAStepThatIsNotFiniteOutOfTheCuts) {
  RunPlan plan = quota_plan(/*steps=*/3);
  run_ranks(1, [&](parallel::Communicator& world, OnDevice& on) {
    SmallRun run(plan, world, on.work);
    (void)run.step();
    const std::vector<double> cuts(run.model().routing().cuts().begin(),
                                   run.model().routing().cuts().end());
    const TensorView table = run.model().parameters()[model::ParameterId{0}].value;
    std::vector<float> broken(static_cast<std::size_t>(table.elements()), NAN);
    softmoe::upload(std::span<const float>(broken), table.as<float>(), on.stream);

    const training::StepResult& result = run.step();

    EXPECT_TRUE(result.was_skipped);
    EXPECT_EQ(sum(result.record.executed_L), budget::quota_of_step(4.1234, Step(1), 256));
    EXPECT_TRUE(std::equal(cuts.begin(), cuts.end(), run.model().routing().cuts().begin()));
  });
}

TEST(QuotaInTraining, ARouterThatCannotHaveOneSaysSoEveryStepAndTrainsOn) {
  RunPlan plan = quota_plan(/*steps=*/3);
  plan.model.router.kind = router::RouterKind::top_k;
  run_ranks(2, [&](parallel::Communicator& world, OnDevice& on) {
    SmallRun run(plan, world, on.work);
    for (int step = 0; step < 3; ++step) {
      const training::StepResult& result = run.step();
      EXPECT_EQ(sum(result.record.executed_L), 2 * 2 * 256);
      EXPECT_EQ(result.record_refused.has_value(), world.rank() == Rank(0));
      if (result.record_refused) {
        EXPECT_THAT(*result.record_refused, HasSubstr("of the kind softmoe"));
      }
    }
  });
}

TEST(QuotaInTraining, BoundsOfAnotherNumberOfLayersAreToldAndNotFollowed) {
  RunPlan plan = quota_plan(/*steps=*/2);
  plan.set_points.layer_max_L = {2.0, 2.0, 2.0};
  run_ranks(2, [&](parallel::Communicator& world, OnDevice& on) {
    SmallRun run(plan, world, on.work);
    const training::StepResult& result = run.step();
    EXPECT_EQ(sum(result.record.executed_L), budget::quota_of_step(4.1234, Step(0), 256));
    if (world.rank() == Rank(0)) {
      ASSERT_TRUE(result.record_refused.has_value());
      EXPECT_THAT(*result.record_refused, HasSubstr("the bounds of 3"));
    }
  });
}

}  // namespace
}  // namespace softmoe::test
