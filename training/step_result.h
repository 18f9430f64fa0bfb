#pragma once

// What a step did, as numbers; telemetry names them. Letters: L MoE layers, E experts.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "budget/step_record.h"
#include "model/adamw_optimizer.h"
#include "router/route_summary.h"
#include "runtime/base/progress.h"

namespace softmoe::training {

/// Sums over all ranks, so equal on all of them, except where it says "this rank".
struct StepResult {
  budget::StepRecord record;  ///< tokens, executed rows, control word in force
  double loss = 0;            ///< cross-entropy per token, nats
  double balance_loss = 0;    ///< Switch loss and z-loss per token
  double gradient_norm = 0;   ///< of the mean gradient, before clipping
  double clip_factor = 1;     ///< what the gradient was multiplied by
  bool was_skipped = false;   ///< loss or gradient was not finite: no update was made
  std::optional<std::string>
      record_refused;  ///< why the controller did not use the record (rank 0)
  model::GroupRates rates;
  std::vector<router::RouteSummary> layers;           ///< [L]
  double seconds = 0;                                 ///< this rank, wall clock
  std::array<double, kNumPhases> phase_seconds = {};  ///< this rank; their sum is `seconds`
  double seconds_between = 0;           ///< this rank, since the step before it ended; 0 at first
  std::int64_t rows_sent = 0;           ///< this rank, all layers and lanes
  std::int64_t rows_received = 0;       ///< this rank
  std::int64_t rows_sent_off_rank = 0;  ///< this rank
  /// This rank: of those that backward dispatched again, because their rows were not kept.
  std::int64_t rows_again_off_rank = 0;
  /// This rank's group: waves of layers that did not receive all rows at once, over all lanes.
  std::int64_t receive_waves = 0;
  std::int64_t layers_in_waves = 0;  ///< passes of such layers
  std::int64_t bytes_reduced = 0;    ///< this rank sent them to sum gradients
  std::int64_t bytes_gathered = 0;   ///< this rank sent them to hand out parameters

  /// Of the rows received those of other ranks: what a rank sends to itself it also receives.
  [[nodiscard]] std::int64_t rows_received_off_rank() const {
    return rows_received - (rows_sent - rows_sent_off_rank);
  }
  [[nodiscard]] std::int64_t step() const { return record.step().value; }
  /// As new, but the vectors keep their memory; what they hold is to be overwritten.
  void restart() {
    StepResult fresh;
    fresh.record = std::move(record);
    fresh.layers = std::move(layers);
    *this = std::move(fresh);
  }
};

}  // namespace softmoe::training
