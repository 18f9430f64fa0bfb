#pragma once

// What a run will take, by the sizes that its code allocates and sends. Nothing is started.
// Letters: W ranks, P in a group of experts, L MoE layers.

#include <cstdint>

#include "launcher/run/run_config.h"
#include "model/flops.h"

namespace softmoe::launcher {

/// What is assumed where the configuration does not say it.
struct EstimateBasis {
  int world = 1;  ///< W
  /// Rows that the fullest rank receives, over the mean rank's. The mean is the budget's.
  double imbalance = 1.0;
};

/// Memory of rank 0, in bytes. It has the most: it also writes the model and the report.
struct MemoryEstimate {
  std::int64_t weights = 0;
  std::int64_t gradients = 0;
  std::int64_t optimizer = 0;
  std::int64_t saved = 0;     ///< activations kept for backward
  std::int64_t scratch = 0;   ///< the rest of what a step works with
  std::int64_t exchange = 0;  ///< rows and gradients on their way between ranks
  std::int64_t data = 0;      ///< tokens of a lane, twice: training and evaluation
  std::int64_t results = 0;   ///< the largest tensor while the model is saved, the bigram's table

  std::int64_t saved_arena = 0;    ///< address space of the arenas, of which the above is written
  std::int64_t scratch_arena = 0;  ///< likewise

  [[nodiscard]] std::int64_t total() const {
    return weights + gradients + optimizer + saved + scratch + exchange + data + results;
  }
};
[[nodiscard]] MemoryEstimate estimate_memory(const RunConfig& config, const EstimateBasis& basis);

/// Rows that one layer and lane bring to the fullest rank.
struct ReceiveEstimate {
  std::int64_t rows = 0;
  std::int64_t waves = 1;  ///< by parallel.max_received_rows; 1: at once

  /// The most that a wave brings.
  [[nodiscard]] std::int64_t rows_at_once() const { return (rows + waves - 1) / waves; }
};
[[nodiscard]] ReceiveEstimate estimate_receiving(const RunConfig& config,
                                                 const EstimateBasis& basis);

/// Bytes that a rank sends to others in one step.
struct TrafficEstimate {
  double rows_off_rank = 0;  ///< mean over ranks, all layers and lanes; each travels four times,
                             ///< or five where backward dispatches again
  double alltoall = 0;       ///< bytes of those rows, forward and backward
  std::int64_t counts = 0;   ///< counts of rows, ahead of every exchange
  std::int64_t reduce_scatter = 0;
  std::int64_t all_gather = 0;
};
[[nodiscard]] TrafficEstimate estimate_traffic(const RunConfig& config, int world);

/// What a run computes.
struct WorkEstimate {
  model::ParameterCounts parameters;
  std::int64_t active_parameters = 0;  ///< that a token runs at the budget
  std::int64_t tokens_per_step = 0;
  std::int64_t tokens = 0;
  double flops_per_step = 0;  ///< as MFU counts them
  double flops = 0;
};
[[nodiscard]] WorkEstimate estimate_work(const RunConfig& config);

/// P of a world.
[[nodiscard]] int expert_ranks(const RunConfig& config, int world);

}  // namespace softmoe::launcher
