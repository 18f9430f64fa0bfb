#pragma once

// The real trainer of one rank over synthetic tokens. Letters: W ranks of the world, L layers.

#include <cstdint>
#include <optional>
#include <vector>

#include "budget/local_budget_link.h"
#include "launcher/run/rank_session.h"
#include "model/transformer.h"
#include "training/trainer.h"

namespace softmoe::bench {

/// What a step moved, over all ranks; equal on all of them.
struct StepRows {
  std::int64_t executed = 0;             ///< rows of all layers
  std::vector<std::int64_t> executed_L;  ///< of each layer
  std::vector<std::int64_t> received_W;  ///< rows that each rank's experts ran
};

/// Runs steps and checks each of them.
class BenchRun {
 public:
  /// Collective. @param config, session  outlive this object
  BenchRun(const launcher::RunConfig& config, launcher::RankSession& session);

  /// One step. Collective.
  /// @return this rank's own, valid until the next one
  /// @throws InternalError on all ranks if the loss is not finite, an update was left out, or rows
  ///         sent, received, executed and counted per expert are not equally many
  const training::StepResult& step();

  /// Of the last step.
  [[nodiscard]] const StepRows& rows() const { return rows_; }
  [[nodiscard]] training::Trainer& trainer() { return trainer_; }
  [[nodiscard]] model::Transformer& model() { return model_; }

 private:
  void check(const training::StepResult& result);

  launcher::RankSession& session_;
  training::TokenSource source_;
  model::Transformer model_;
  budget::LocalBudgetLink link_;
  std::optional<training::Governor> governor_;  // on rank 0
  training::Trainer trainer_;
  StepRows rows_;
};

}  // namespace softmoe::bench
