#include "tests/support/layout_run.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "budget/local_budget_link.h"
#include "parallel/topology.h"
#include "runtime/storage/posix_file_system.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/token_file.h"
#include "training/trainer.h"

namespace softmoe::test {

namespace {

constexpr int kPositions = 16;

model::ModelConfig config() {
  model::ModelConfig config;
  config.vocabulary = 37;
  config.positions = kPositions;
  config.layers = 3;
  config.dense_layers = 1;
  config.hidden = 24;
  config.heads = 4;
  config.kv_heads = 2;
  config.dense_inner = 32;
  config.shared_inner = 8;
  config.experts = {.num_experts = 8, .inner = 20};
  config.router.noise_std = 0.05;
  return config;
}

LayoutTrace::Piece owned_part(const model::LogicalTensor& tensor, parallel::FlatShards::Range owned,
                              const std::vector<float>& gradients) {
  const std::int64_t begin = std::max(tensor.offset, owned.begin);
  const std::int64_t end =
      std::max(begin, std::min(tensor.offset + tensor.shape.elements(), owned.end));
  return {.begin = begin - tensor.offset,
          .values = {gradients.begin() + begin, gradients.begin() + end}};
}

}  // namespace

LayoutTrace run_layout(const LayoutOptions& options, parallel::Communicator& world, OnDevice& on) {
  const model::ModelConfig model_config = config();
  const training::TrainingConfig training{
      .steps = options.steps, .lanes = options.lanes, .lane_sequences = 2};
  const model::OptimizerConfig optimizer{
      .learning_rate = 3e-3, .warmup_steps = 5, .layer_means_freeze = 0.1};
  const double total_mass = 4.0;

  TemporaryDirectory directory;
  storage::PosixFileSystem files;
  const training::TokenSource source =
      write_and_open(files, directory.path() / "tokens.bin", model_config,
                     chained_tokens(6000, model_config.vocabulary));

  parallel::Groups groups = parallel::make_groups(world, options.expert_parallel);
  model::Transformer model(
      {.config = model_config, .ep = *groups.ep, .total_mass = total_mass, .seed = 42}, on.device,
      on.stream);
  budget::LocalBudgetLink link;
  training::Governor governor({.budget = total_mass, .mode = options.mode}, link);
  training::Trainer trainer({.config = training,
                             .optimizer = optimizer,
                             .model = model,
                             .groups = groups,
                             .source = source,
                             .work = on.work,
                             .governor = world.rank() == Rank(0) ? &governor : nullptr});
  LayoutTrace trace;
  trainer.set_gradient_probe([&](const parallel::FlatShards& dense,
                                 const parallel::FlatShards& expert) {
    if (trainer.next_step().value + 1 != options.steps) return;
    const auto dense_gradients =
        on.download<float>(model.parameters().gradients(model::Space::dense));
    const auto expert_gradients =
        on.download<float>(model.parameters().gradients(model::Space::expert));
    for (const model::LogicalTensor& tensor : model.parameters().logical_tensors()) {
      const bool is_dense = tensor.space == model::Space::dense;
      trace.gradients[tensor.name] = owned_part(tensor, is_dense ? dense.owned() : expert.owned(),
                                                is_dense ? dense_gradients : expert_gradients);
    }
  });
  for (std::int64_t step = 0; step < options.steps; ++step) {
    const training::StepResult& result = trainer.step(/*requests=*/0);
    trace.losses.push_back(result.loss);
    trace.gradient_norms.push_back(result.gradient_norm);
    trace.executed.push_back(result.record.executed_L[0] + result.record.executed_L[1]);
  }
  on.stream.synchronize();
  on.exchange.synchronize();
  return trace;
}

void expect_same_run(const LayoutTrace& trace, const LayoutTrace& alone) {
  ASSERT_EQ(trace.losses.size(), alone.losses.size());
  for (std::size_t step = 0; step < alone.losses.size(); ++step) {
    EXPECT_NEAR(trace.losses[step], alone.losses[step], 1e-5 * alone.losses[step])
        << "loss of step " << step;
  }
  // fp32 sums in another order, through 50 steps: relative to the largest element of the tensor.
  constexpr float kTolerance = 2e-3F;
  for (const auto& [name, piece] : trace.gradients) {
    const LayoutTrace::Piece& whole = alone.gradients.at(name);
    float largest = 0;
    for (const float value : whole.values) largest = std::max(largest, std::abs(value));
    for (std::size_t i = 0; i < piece.values.size(); ++i) {
      const float expected = whole.values.at(static_cast<std::size_t>(piece.begin) + i);
      ASSERT_NEAR(piece.values[i], expected, kTolerance * largest + 1e-6F)
          << name << " [" << piece.begin + static_cast<std::int64_t>(i) << "]";
    }
  }
}

}  // namespace softmoe::test
