// The servo holds the budget on a model that trains, not only on a model of a model.

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "tests/support/local_world.h"
#include "tests/unit/training_steps/small_run.h"

namespace softmoe::test {
namespace {

constexpr double kBudget = 4.0;

/// A run of 1,024 tokens a step, so that counts are not mere noise.
RunPlan plan_of(std::int64_t steps) {
  RunPlan plan = small_plan();
  plan.set_points.budget = kBudget;
  plan.training = {.steps = steps, .lanes = 4, .lane_sequences = 16};
  plan.optimizer.layer_means_freeze = 0.02;
  plan.tokens = chained_tokens(40000, plan.model.vocabulary);
  return plan;
}

/// (executed - budget) / budget of every step.
std::vector<double> budget_errors(const RunPlan& plan) {
  std::vector<double> errors;
  run_ranks(1, [&](parallel::Communicator& world, OnDevice& on) {
    SmallRun run(plan, world, on.work);
    for (std::int64_t step = 0; step < plan.training.steps; ++step) {
      errors.push_back(budget::used_per_token(run.step().record, {}) / kBudget - 1);
    }
  });
  return errors;
}

double mean(std::span<const double> numbers) {
  return std::accumulate(numbers.begin(), numbers.end(), 0.0) / static_cast<double>(numbers.size());
}

double root_mean_square(std::span<const double> numbers) {
  return std::sqrt(std::inner_product(numbers.begin(), numbers.end(), numbers.begin(), 0.0) /
                   static_cast<double>(numbers.size()));
}

TEST(BudgetOnRealRouting, TheServoHoldsTheBudgetFromTheFirstStep) {
  const std::vector<double> errors = budget_errors(plan_of(200));

  const std::span<const double> last = std::span(errors).last(100);
  RecordProperty("mean_error", std::to_string(mean(errors)));
  RecordProperty("rms_error_last_100", std::to_string(root_mean_square(last)));
  EXPECT_GT(errors.front(), 0.5);  // the threshold alone runs far too many
  EXPECT_LT(std::abs(mean(errors)), 0.005);
  EXPECT_LT(root_mean_square(last), 0.02);
}

TEST(BudgetOnRealRouting, WithoutAControllerTheBudgetIsNotHeld) {
  RunPlan plan = plan_of(60);
  plan.set_points.mode = budget::Mode::off;

  const std::vector<double> errors = budget_errors(plan);

  EXPECT_GT(std::abs(mean(std::span<const double>(errors).last(20))), 0.05);
}

}  // namespace
}  // namespace softmoe::test
