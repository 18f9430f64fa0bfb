#pragma once

// A training run small enough for a test, on one rank of any world.

#include <cstdint>
#include <vector>

#include "budget/local_budget_link.h"
#include "model/transformer.h"
#include "parallel/topology.h"
#include "runtime/storage/posix_file_system.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/token_file.h"
#include "training/trainer.h"

namespace softmoe::test {

/// What is trained, on what, for how long.
struct RunPlan {
  model::ModelConfig model;
  training::TrainingConfig training;
  model::OptimizerConfig optimizer;
  budget::SetPoints set_points;
  std::vector<budget::SetPointChange> later = {};  ///< planned changes of them
  std::vector<std::int32_t> tokens;
  std::int64_t max_received_rows = 0;
};

/// A model of three layers, two of them with eight experts, and a budget of four experts per token.
[[nodiscard]] RunPlan small_plan();

/// A rank's part of a run.
class SmallRun {
 public:
  /// All experts of `world` are spread over its ranks. Collective.
  SmallRun(RunPlan plan, parallel::Communicator& world, Workspace& work);
  ~SmallRun();
  SmallRun(const SmallRun&) = delete;
  SmallRun& operator=(const SmallRun&) = delete;

  const training::StepResult& step() { return trainer_.step(/*requests=*/0); }

  [[nodiscard]] model::Transformer& model() { return model_; }
  [[nodiscard]] training::Trainer& trainer() { return trainer_; }
  /// The tokens that are trained on, to evaluate with.
  [[nodiscard]] const training::TokenSource& source() const { return source_; }
  [[nodiscard]] parallel::Groups& groups() { return groups_; }
  /// Every value of this rank's parameters.
  [[nodiscard]] std::vector<float> values(model::Space space);

 private:
  RunPlan plan_;
  Workspace* work_;
  TemporaryDirectory directory_;
  storage::PosixFileSystem files_;
  training::TokenSource source_;
  parallel::Groups groups_;
  model::Transformer model_;
  budget::LocalBudgetLink link_;
  training::Governor governor_;
  training::Trainer trainer_;
};

}  // namespace softmoe::test
