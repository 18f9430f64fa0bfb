#include "tests/unit/training_steps/small_run.h"

#include <utility>

#include "training/exact_gradients.h"

namespace softmoe::test {

namespace {

std::vector<budget::SetPointChange> set_points_of(const RunPlan& plan) {
  std::vector<budget::SetPointChange> changes = {{Step(0), plan.set_points}};
  changes.insert(changes.end(), plan.later.begin(), plan.later.end());
  return changes;
}

}  // namespace

RunPlan small_plan() {
  RunPlan plan;
  plan.model.vocabulary = 37;
  plan.model.positions = 16;
  plan.model.layers = 3;
  plan.model.dense_layers = 1;
  plan.model.hidden = 24;
  plan.model.heads = 4;
  plan.model.kv_heads = 2;
  plan.model.dense_inner = 32;
  plan.model.shared_inner = 8;
  plan.model.experts = {.num_experts = 8, .inner = 20};
  plan.training = {.steps = 50, .lanes = 4, .lane_sequences = 4};
  plan.optimizer = {.learning_rate = 3e-3, .warmup_steps = 5, .layer_means_freeze = 0.1};
  plan.set_points.budget = 4.0;
  plan.tokens = chained_tokens(6000, plan.model.vocabulary);
  return plan;
}

SmallRun::SmallRun(RunPlan plan, parallel::Communicator& world, Workspace& work)
    : plan_(std::move(plan)),
      work_(&work),
      source_(write_and_open(files_, directory_ / "tokens.bin", plan_.model, plan_.tokens)),
      groups_(parallel::make_groups(world, /*expert_parallel=*/world.size())),
      model_({.config = plan_.model,
              .ep = *groups_.ep,
              .total_mass = plan_.set_points.budget,
              .seed = plan_.training.seed,
              .max_received_rows = plan_.max_received_rows,
              .recompute = plan_.training.recompute,
              .exact_gradients = training::exact_gradients(plan_.training, plan_.model.positions)},
             work.compute.device(), work.compute),
      governor_(set_points_of(plan_), link_),
      trainer_({.config = plan_.training,
                .optimizer = plan_.optimizer,
                .model = model_,
                .groups = groups_,
                .source = source_,
                .work = work,
                .governor = world.rank() == Rank(0) ? &governor_ : nullptr}) {}

SmallRun::~SmallRun() {
  work_->compute.synchronize();
  work_->exchange.synchronize();
}

std::vector<float> SmallRun::values(model::Space space) {
  HostBuffer<float> landed;
  const HostCopy<float> copy(model_.parameters().values(space).as<float>(), landed, work_->compute);
  const auto numbers = copy.wait();
  return {numbers.begin(), numbers.end()};
}

}  // namespace softmoe::test
