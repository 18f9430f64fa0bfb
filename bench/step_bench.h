#pragma once

// Steps of several kinds, taken by turns so that whatever else the machine does hits all of them.

#include <optional>
#include <string>
#include <vector>

#include "bench/given_plans.h"
#include "bench/step_ceiling.h"
#include "bench/step_figures.h"

namespace softmoe::bench {

/// One kind of steps: the router's own choices, or a workload.
using StepKind = std::optional<GivenRouting>;

/// "natural", "W2", ... or "all": natural and every workload, the uneven ones also placed.
/// @throws ConfigError naming what there is
[[nodiscard]] std::vector<StepKind> step_kinds(const std::vector<std::string>& names);

/// One trainer that runs steps of any kind, and the ceiling beside it.
class StepBench {
 public:
  /// Collective. @param config, session  outlive this object
  StepBench(const launcher::RunConfig& config, launcher::RankSession& session);

  /// Steps of one kind. @param figures  nothing: they are not measured
  /// @throws InternalError if something is wrong with a step, or experts did not run exactly the
  ///         rows that the workload's oracle says
  void run_block(const StepKind& kind, int steps, StepFigures* figures);

  /// Steps, and as many passes of the ceiling over the rows of the last one.
  void run_block_beside_ceiling(const StepKind& kind, int steps, StepFigures& figures);

  /// Memory of the steps, without what the ceiling takes. Collective.
  [[nodiscard]] PeakBytes peak();

 private:
  [[nodiscard]] double ceiling_pass(const std::vector<std::int64_t>& rows_L);

  const launcher::RunConfig& config_;
  launcher::RankSession& session_;
  BenchRun run_;
  GivenPlans plans_;
  std::optional<StepCeiling> ceiling_;  // made with its first pass
  PeakBytes peak_before_ceiling_;
};

}  // namespace softmoe::bench
