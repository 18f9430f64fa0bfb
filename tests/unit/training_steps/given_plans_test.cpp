#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/local_world.h"
#include "tests/unit/training_steps/small_run.h"

namespace softmoe::training {
namespace {

using testing::Each;
using testing::ElementsAre;

/// A plan under which every token runs the same two experts.
class TwoExperts {
 public:
  TwoExperts(test::OnDevice& on, std::int64_t tokens, std::int64_t num_experts, std::int32_t first,
             std::int32_t second) {
    std::vector<std::int32_t> begin_T1 = {0};
    std::vector<std::int32_t> expert_N;
    for (std::int64_t t = 0; t < tokens; ++t) {
      expert_N.insert(expert_N.end(), {first, second});
      begin_T1.push_back(static_cast<std::int32_t>(expert_N.size()));
    }
    router::RoutePlan plan;
    plan.num_tokens = tokens;
    plan.num_experts = num_experts;
    plan.row_capacity = 2 * tokens;
    plan.row_begin_T1 = on.upload(begin_T1);
    plan.expert_N = on.upload(expert_N);
    plans_ = {plan, plan};
  }

  [[nodiscard]] std::span<const router::RoutePlan> plans() const { return plans_; }

 private:
  std::vector<router::RoutePlan> plans_;
};

TEST(GivenPlans, RunInPlaceOfTheRoutersChoice) {
  test::run_ranks(2, [](parallel::Communicator& world, test::OnDevice& on) {
    test::RunPlan plan = test::small_plan();
    plan.training.lanes = 3;  // one rank has no tokens in the second round
    test::SmallRun run(plan, world, on.work);
    const std::int64_t tokens = 4 * 16;
    const TwoExperts even(on, tokens, 8, 0, 7);
    const TwoExperts odd(on, tokens, 8, 3, 7);

    run.trainer().set_given_plans([&](int lane) { return lane == 1 ? odd.plans() : even.plans(); });
    const StepResult& result = run.step();

    for (const router::RouteSummary& layer : result.layers) {
      EXPECT_THAT(layer.loads, ElementsAre(2 * tokens, 0, 0, tokens, 0, 0, 0, 3 * tokens));
      EXPECT_EQ(layer.tokens, 3 * tokens);
    }
    EXPECT_FALSE(result.was_skipped);
    EXPECT_THAT(result.record.executed_L, Each(6 * tokens));
  });
}

TEST(GivenPlans, AreForgottenWhenTheyAreTakenBack) {
  test::run_ranks(1, [](parallel::Communicator& world, test::OnDevice& on) {
    test::SmallRun untouched(test::small_plan(), world, on.work);
    test::SmallRun run(test::small_plan(), world, on.work);
    const TwoExperts plans(on, 4 * 16, 8, 0, 7);
    run.trainer().set_given_plans([&](int) { return plans.plans(); });
    run.trainer().set_given_plans(nullptr);

    const double loss = run.step().loss;

    EXPECT_EQ(loss, untouched.step().loss);
  });
}

}  // namespace
}  // namespace softmoe::training
