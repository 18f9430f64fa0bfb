#pragma once

// What was measured of the steps of one kind, and how it is told.

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "bench/bench_run.h"

namespace softmoe::bench {

/// What does not change between the kinds of steps that a program runs.
struct StepSetting {
  std::string program;
  std::string shape;
  std::string routing;
  int ranks = 1;
  int threads = 1;  ///< of a rank
  std::int64_t tokens = 0;
};

/// Most of all ranks.
struct PeakBytes {
  std::int64_t resident = 0;
  std::int64_t saved_arena = 0;
  std::int64_t scratch_arena = 0;
};
/// Collective.
[[nodiscard]] PeakBytes peak_bytes(launcher::RankSession& session);

/// Steps of one workload.
struct StepFigures {
  std::string workload = "natural";
  bool is_placed = false;           ///< experts relabelled by their loads
  std::vector<double> seconds;      ///< of each step, on rank 0
  std::vector<double> rows;         ///< executed by each step
  std::vector<double> expert_skew;  ///< of each step: largest load over mean, mean over layers
  std::vector<double> rank_skew;    ///< likewise, of the experts of a rank
  std::array<std::vector<double>, kNumPhases> phase_seconds;  ///< of each step, on rank 0
  std::vector<double> ceiling_seconds;  ///< medians of the blocks of passes beside the steps
  std::vector<double> ceiling_ratio;    ///< of a block: median pass over median step

  /// @param expert_ranks  ranks that a layer's experts are spread over
  void add(const training::StepResult& result, const StepRows& rows, int expert_ranks);
};

/// One JSON object on one line.
[[nodiscard]] std::string figures_json(const StepSetting& setting, const StepFigures& figures,
                                       const model::ModelConfig& model, const PeakBytes& peak);

/// Lines for people.
[[nodiscard]] std::string figures_text(const StepSetting& setting, const StepFigures& figures,
                                       const model::ModelConfig& model, const PeakBytes& peak);

}  // namespace softmoe::bench
