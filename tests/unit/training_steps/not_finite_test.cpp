// A step whose loss or gradient is not finite updates nothing, on no rank.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <optional>
#include <string>

#include "tests/support/local_world.h"
#include "tests/support/tiny_model.h"
#include "tests/unit/training_steps/small_run.h"

namespace softmoe::test {
namespace {

using model::Space;

/// One element of the model, on the rank that has it.
struct Place {
  Space space;
  std::int64_t index;
};

/// The first element of a tensor; nothing where another rank has it.
std::optional<Place> first_element(SmallRun& run, const std::string& name) {
  for (const model::LogicalTensor& tensor : run.model().parameters().logical_tensors()) {
    if (tensor.name == name) return Place{tensor.space, tensor.offset};
  }
  return std::nullopt;
}

/// Trains, plants `value` into the tensor, takes it out after a step, and goes on.
void expect_one_step_skipped(int num_ranks, const std::string& tensor, double value,
                             Determinism determinism = Determinism::repeatable) {
  RunPlan plan = small_plan();
  plan.training.determinism = determinism;
  run_ranks(num_ranks, [&](parallel::Communicator& world, OnDevice& on) {
    SmallRun run(plan, world, on.work);
    run.step();
    run.step();
    const std::optional<Place> place = first_element(run, tensor);
    const auto flat = [&] { return run.model().parameters().values(place->space); };
    const double before = place ? read_element(flat(), place->index, on) : 0;
    const std::vector<float> dense = run.values(Space::dense);
    const std::vector<float> expert = run.values(Space::expert);

    if (place) write_element(flat(), place->index, value, on);
    const training::StepResult skipped = run.step();
    if (place) write_element(flat(), place->index, before, on);

    EXPECT_TRUE(skipped.was_skipped);
    EXPECT_EQ(run.values(Space::dense), dense);
    EXPECT_EQ(run.values(Space::expert), expert);

    const training::StepResult& next = run.step();
    EXPECT_FALSE(next.was_skipped);
    EXPECT_TRUE(std::isfinite(next.loss));
    EXPECT_EQ(next.step(), 3);
    EXPECT_NE(run.values(Space::dense), dense);
    EXPECT_NE(run.values(Space::expert), expert);
  });
}

constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(NotFinite, AnInfinityInTheEmbeddingSkipsTheStep) {
  expect_one_step_skipped(1, "embedding", kInfinity);
}

TEST(NotFinite, AnInfinityInAnExpertOfOneRankSkipsTheStepOnAll) {
  expect_one_step_skipped(2, "layers.1.experts.7.down", kInfinity);
}

TEST(NotFinite, ANanInARouterSkipsTheStepOnAll) {
  expect_one_step_skipped(2, "layers.2.router.weight", std::numeric_limits<double>::quiet_NaN());
}

TEST(NotFinite, ExactGradientsSkipTheStepOnAllToo) {
  constexpr auto kExact = Determinism::layout_invariant;
  expect_one_step_skipped(1, "embedding", kInfinity, kExact);
  expect_one_step_skipped(2, "layers.1.experts.7.down", kInfinity, kExact);
  expect_one_step_skipped(2, "layers.2.router.weight", std::numeric_limits<double>::quiet_NaN(),
                          kExact);
}

TEST(NotFinite, TheBudgetDoesNotFollowAStepThatWasSkipped) {
  run_ranks(1, [&](parallel::Communicator& world, OnDevice& on) {
    SmallRun run(small_plan(), world, on.work);
    run.step();
    const std::optional<Place> place = first_element(run, "layers.1.router.weight");
    const TensorView flat = run.model().parameters().values(place->space);
    const double before = read_element(flat, place->index, on);

    write_element(flat, place->index, std::numeric_limits<double>::quiet_NaN(), on);
    const training::StepResult skipped = run.step();
    write_element(flat, place->index, before, on);

    EXPECT_TRUE(skipped.was_skipped);
    EXPECT_TRUE(skipped.record_refused.has_value());
    EXPECT_EQ(run.step().record.in_force.lambda, skipped.record.in_force.lambda);
  });
}

}  // namespace
}  // namespace softmoe::test
