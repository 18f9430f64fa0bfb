// A model that cannot learn one batch by heart has a gradient or an update that is wrong.

#include <gtest/gtest.h>

#include "tests/support/local_world.h"
#include "tests/support/numbers.h"
#include "tests/unit/training_steps/small_run.h"

namespace softmoe::test {
namespace {

TEST(Overfit, FourSequencesOfRandomTokensAreLearnedByHeart) {
  constexpr int kSequences = 4;
  RunPlan plan = small_plan();
  plan.tokens = integers(kSequences * plan.model.positions + 1, plan.model.vocabulary, 8);
  plan.training = {.steps = 200, .lanes = 1, .lane_sequences = kSequences};  // all, every step
  plan.optimizer.learning_rate = 1e-2;
  plan.optimizer.weight_decay = 0;

  run_ranks(1, [&](parallel::Communicator& world, OnDevice& on) {
    SmallRun run(plan, world, on.work);
    const double first = run.step().loss;
    double last = first;
    for (std::int64_t step = 1; step < plan.training.steps; ++step) last = run.step().loss;

    EXPECT_GT(first, 3.0);  // log 37 = 3.6: it knew nothing
    EXPECT_LT(last, 0.05);  // measured: 0.022 nats per token
  });
}

}  // namespace
}  // namespace softmoe::test
