#include "tests/invariant/invariant_run.h"

#include <gtest/gtest.h>

#include <cmath>

#include "budget/local_budget_link.h"
#include "parallel/topology.h"
#include "runtime/storage/posix_file_system.h"
#include "tests/support/local_world.h"
#include "tests/support/on_device.h"
#include "tests/support/patience.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/token_file.h"
#include "training/evaluation.h"
#include "training/trainer.h"

namespace softmoe::test {

namespace {

/// The two gradients' sums, exact or not, as numbers.
std::vector<double> gradients_of(model::Transformer& model, model::Space space, OnDevice& on) {
  const TensorView flat = model.parameters().gradients(space);
  std::vector<double> numbers;
  if (const auto& exact = model.parameters().exact()) {
    for (const std::int64_t integer : on.download<std::int64_t>(flat))
      numbers.push_back(static_cast<double>(integer) * exact->unit());
  } else {
    for (const float number : on.download<float>(flat)) numbers.push_back(double{number});
  }
  return numbers;
}

/// One rank's part of a run.
class RankRun {
 public:
  RankRun(const Layout& layout, const launcher::RunConfig& config, std::optional<FixedPoint> format,
          parallel::Communicator& world, OnDevice& on)
      : on_(on),
        source_(write_and_open(files_, directory_.path() / "train.bin", config.model,
                               chained_tokens(12000, config.model.vocabulary))),
        validation_(write_and_open(files_, directory_.path() / "val.bin", config.model,
                                   chained_tokens(1000, config.model.vocabulary))),
        groups_(parallel::make_groups(world, layout.expert_parallel)),
        model_({.config = config.model,
                .ep = *groups_.ep,
                .total_mass = config.total_mass(),
                .seed = config.training.seed,
                .exchange_chunks = layout.exchange_chunks,
                .exact_gradients = format},
               on.device, on.stream),
        governor_({.budget = config.total_budget(), .mode = config.budget.mode}, link_),
        trainer_({.config = config.training,
                  .optimizer = config.optimizer,
                  .model = model_,
                  .groups = groups_,
                  .source = source_,
                  .work = on.work,
                  .governor = world.rank() == Rank(0) ? &governor_ : nullptr}),
        evaluator_({.model = model_,
                    .world = world,
                    .source = validation_,
                    .work = on.work,
                    .lane_sequences = config.training.lane_sequences,
                    .seed = config.training.seed}),
        last_step_(config.training.steps - 1) {}

  Outcome run() {
    trainer_.set_gradient_probe([this](const auto& dense, const auto& expert) {
      if (trainer_.next_step().value != last_step_) return;
      note_gradients(model::Space::dense, dense);
      note_gradients(model::Space::expert, expert);
    });
    while (trainer_.next_step().value <= last_step_) note(trainer_.step(/*requests=*/0));
    outcome_.validation_loss =
        evaluator_.evaluate({.alpha = 1.0, .lambda = 0.0}, std::nullopt).loss;
    for (const model::LogicalTensor& tensor : model_.parameters().logical_tensors()) {
      outcome_.weights[tensor.name] =
          on_.download<float>(model_.parameters()
                                  .values(tensor.space)
                                  .rows(tensor.offset, tensor.offset + tensor.shape.elements()));
    }
    on_.stream.synchronize();
    on_.exchange.synchronize();
    return outcome_;
  }

 private:
  void note(const training::StepResult& result) {
    outcome_.losses.push_back(result.loss);
    outcome_.gradient_norms.push_back(result.gradient_norm);
    outcome_.clip_factors.push_back(result.clip_factor);
    outcome_.measured.push_back(result.record.in_force.lambda);
    outcome_.measured.push_back(result.balance_loss);
    for (const auto* numbers_L :
         {&result.record.gain_L, &result.record.boundary_mass_L, &result.record.soft_mass_L}) {
      outcome_.measured.insert(outcome_.measured.end(), numbers_L->begin(), numbers_L->end());
    }
    for (const std::int64_t rows : result.record.executed_L) outcome_.executed.push_back(rows);
    if (result.was_skipped) outcome_.skipped.push_back(static_cast<int>(result.step()));
  }

  /// What this rank owns; NaN elsewhere.
  void note_gradients(model::Space space, const parallel::FlatShards& shards) {
    const std::vector<double> flat = gradients_of(model_, space, on_);
    const auto [begin, end] = shards.owned();
    for (const model::LogicalTensor& tensor : model_.parameters().logical_tensors()) {
      if (tensor.space != space) continue;
      std::vector<double>& numbers = outcome_.gradients[tensor.name];
      for (std::int64_t i = 0; i < tensor.shape.elements(); ++i) {
        const std::int64_t place = tensor.offset + i;
        const bool is_owned = begin <= place && place < end;
        numbers.push_back(is_owned ? flat[static_cast<std::size_t>(place)] : NAN);
      }
    }
  }

  OnDevice& on_;
  TemporaryDirectory directory_;
  storage::PosixFileSystem files_;
  training::TokenSource source_;
  training::TokenSource validation_;
  parallel::Groups groups_;
  model::Transformer model_;
  budget::LocalBudgetLink link_;
  training::Governor governor_;
  training::Trainer trainer_;
  training::Evaluator evaluator_;
  std::int64_t last_step_;
  Outcome outcome_;
};

/// Takes over what another rank owns, and expects that they agree on what both have.
void put_together(Outcome& whole, const Outcome& part) {
  EXPECT_EQ(part.losses, whole.losses);
  for (const auto& [name, values] : part.weights) {
    const auto [place, is_new] = whole.weights.emplace(name, values);
    EXPECT_TRUE(is_new || place->second == values) << name;
  }
  for (const auto& [name, numbers] : part.gradients) {
    const auto [place, is_new] = whole.gradients.emplace(name, numbers);
    for (std::size_t i = 0; !is_new && i < numbers.size(); ++i) {
      if (!std::isnan(numbers[i])) place->second[i] = numbers[i];
    }
  }
}

}  // namespace

launcher::RunConfig invariant_config() {
  launcher::RunConfig config;
  config.model.vocabulary = 101;
  config.model.positions = 32;
  config.model.layers = 3;
  config.model.dense_layers = 1;
  config.model.hidden = 32;
  config.model.heads = 4;
  config.model.kv_heads = 2;
  config.model.dense_inner = 48;
  config.model.shared_inner = 24;
  config.model.experts = {.num_experts = 8, .inner = 24};
  config.model.router.noise_std = 0.05;
  config.model.router.balance = 0.05;
  config.budget.total = 4.0;
  config.training = {
      .steps = 50, .lanes = 4, .lane_sequences = 2, .determinism = Determinism::layout_invariant};
  config.optimizer = {
      .learning_rate = 3e-3, .warmup_steps = 5, .clip_norm = 0.5, .layer_means_freeze = 0.1};
  return config;
}

Outcome run_on(const Layout& layout, const launcher::RunConfig& config) {
  return run_on(layout, config, launcher::exact_gradients(config));
}

Outcome run_on(const Layout& layout, const launcher::RunConfig& config,
               std::optional<FixedPoint> format) {
  std::vector<Outcome> outcomes(static_cast<std::size_t>(layout.world));
  run_ranks(layout.world, {.timeout = patience(std::chrono::seconds(60))},
            [&](parallel::Communicator& rank, OnDevice& /*one_thread*/) {
              OnDevice on(Backend::cpu, layout.threads);
              RankRun run(layout, config, format, rank, on);
              outcomes[static_cast<std::size_t>(rank.rank().value)] = run.run();
            });
  Outcome whole = outcomes.front();
  for (const Outcome& outcome : outcomes) put_together(whole, outcome);
  return whole;
}

void expect_equal_bits(const Outcome& outcome, const Outcome& expected) {
  EXPECT_EQ(outcome.losses, expected.losses);
  EXPECT_EQ(outcome.gradient_norms, expected.gradient_norms);
  EXPECT_EQ(outcome.clip_factors, expected.clip_factors);
  EXPECT_EQ(outcome.measured, expected.measured);
  EXPECT_EQ(outcome.executed, expected.executed);
  EXPECT_EQ(outcome.skipped, expected.skipped);
  EXPECT_EQ(outcome.validation_loss, expected.validation_loss);
  EXPECT_TRUE(outcome.gradients == expected.gradients) << "gradients of the last step";
  ASSERT_EQ(outcome.weights.size(), expected.weights.size());
  for (const auto& [name, values] : expected.weights)
    EXPECT_TRUE(outcome.weights.at(name) == values) << name;
}

}  // namespace softmoe::test
