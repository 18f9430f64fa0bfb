// The servo holds the budget on a model that trains, not only on a model of a model.

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "budget/step_record.h"
#include "tests/support/local_world.h"
#include "tests/unit/training_steps/small_run.h"

namespace softmoe::test {
namespace {

TEST(BudgetOnRealRouting, TryOut) {
  for (double scale : {1.0, 0.4, 2.5}) {
    RunPlan plan = small_plan();
    plan.training = {.steps = 201, .lanes = 4, .lane_sequences = 16};
    plan.tokens = chained_tokens(40000, plan.model.vocabulary);
    plan.optimizer.layer_means_freeze = 0.02;
    (void)scale;
    run_ranks(1, [&](parallel::Communicator& world, OnDevice& on) {
      SmallRun run(plan, world, on.work);
      double mean = 0, square = 0, worst = 0;
      for (int s = 0; s < 200; ++s) {
        const auto& r = run.step();
        const double e = budget::used_per_token(r.record, {}) / 4.0 - 1;
        if (s < 12 || s % 20 == 0)
          std::printf("%d e %g lambda %g loss %g\n", s, e, r.record.in_force.lambda, r.loss);
        mean += e / 200;
        if (s >= 100) {
          square += e * e / 100;
          worst = std::max(worst, std::abs(e));
        }
      }
      std::printf("mean %g rms %g worst %g\n", mean, std::sqrt(square), worst);
    });
    break;
  }
}

}  // namespace
}  // namespace softmoe::test
