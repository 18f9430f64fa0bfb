#pragma once

// All that `softmoe plan` says, as numbers; plan_text.cpp and plan_json.cpp write them down.

#include <cstdint>
#include <optional>
#include <string>

#include "launcher/plan/fitting.h"
#include "launcher/plan/run_estimate.h"

namespace softmoe::launcher {

/// How fast it is thought to go.
struct SpeedBasis {
  double flops_per_rank = 0;  ///< matrix products of one rank, FLOP/s
  bool is_measured = false;   ///< here and now, by one process; otherwise given
  double efficiency = 0;      ///< of that rate that a step reaches, 0 to 1: the MFU of a run
  bool is_assumed = false;    ///< nobody gave the efficiency
};

/// What a run reads, if it is there.
struct CorpusSize {
  std::int64_t training_tokens = 0;
  std::int64_t validation_tokens = 0;
};

/// What Prometheus reads of the run's fullest page, rank 0's.
struct PageSize {
  bool is_served = false;
  training::ExpertDetail detail = training::ExpertDetail::off;  ///< that fits metrics.max_series
  std::int64_t series = 0;
  std::string note;  ///< why the level is not the one asked for; empty if it is
};

/// What holds memory down, and what it holds.
struct MemoryChoices {
  ReceiveEstimate balanced;
  ReceiveEstimate fullest;
  std::optional<std::int64_t> bound_that_fits;  ///< see largest_bound_that_fits()
  model::Recompute recompute = model::Recompute::none;
  model::Recompute other = model::Recompute::block;  ///< the other choice, and its sums
  std::int64_t other_balanced = 0;
  std::int64_t other_fullest = 0;
};

struct PlanReport {
  std::string config;   ///< its name
  EstimateBasis basis;  ///< of the fullest rank
  int expert_parallel = 1;
  double budget = 0;
  std::int64_t steps = 0;
  int num_experts = 0;
  int moe_layers = 0;
  WorkEstimate work;
  MemoryEstimate balanced;
  MemoryEstimate fullest;
  MemoryLimit limit;
  MemoryChoices choices;
  TrafficEstimate traffic;
  SpeedBasis speed;
  std::optional<CorpusSize> corpus;
  std::string no_corpus;  ///< why there is none
  std::int64_t model_file_bytes = 0;
  PageSize page;
  std::optional<std::string> refusal;  ///< why it cannot fit

  [[nodiscard]] double seconds_per_step() const {
    return work.flops_per_step / (speed.flops_per_rank * speed.efficiency * basis.world);
  }
};

/// For people.
[[nodiscard]] std::string plan_text(const PlanReport& report);
/// One JSON object on one line.
[[nodiscard]] std::string plan_json(const PlanReport& report);

}  // namespace softmoe::launcher
