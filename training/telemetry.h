#pragma once

// The only place that names what a run writes: the progress line, metrics.jsonl, events.jsonl. What
// it serves to Prometheus is named in run_metrics (the run), layer_metrics, expert_metrics and
// rank_metrics (one rank), and nowhere else.

#include <optional>
#include <string>

#include "training/evaluation.h"
#include "training/step_result.h"

namespace softmoe::training {

/// What turns a step's numbers into rates.
struct RateContext {
  std::int64_t steps = 0;           ///< of the whole run
  double seconds_per_step = 0;      ///< for the time that remains
  double step_flops = 0;            ///< of all ranks, see training_flops()
  double peak_flops = 0;            ///< measured matrix-product rate of all ranks; 0: unknown
  std::vector<double> layer_costs;  ///< as the budget weighs layers; empty: 1 each
};

/// step 1200/20000 6.0% | loss 3.214 | tok/s 412k | MFU 41.2% | k 7.98/8.00 | imb 1.14 | gnorm 0.83
/// | lr 2.9e-04 | 0.51 s | ETA 2h41m. k: realised expert executions per token over all layers, and
/// the budget. MFU: of the matrix-product rate measured at the start.
[[nodiscard]] std::string progress_line(const StepResult& result, const RateContext& context);

/// One object of metrics.jsonl; docs/run_folder.md lists its fields.
[[nodiscard]] std::string metrics_json(const StepResult& result, const RateContext& context);

/// One object of events.jsonl: {"time": ..., "event": name, "step": ..., ...details}.
/// @param details_json an object, or empty
[[nodiscard]] std::string event_json(const std::string& name, std::int64_t step,
                                     const std::string& details_json);
[[nodiscard]] std::string evaluation_json(const Evaluation& evaluation);

/// "2h41m", "3m07s", "12s".
[[nodiscard]] std::string short_duration(double seconds);
/// "412k", "3.1M", "870".
[[nodiscard]] std::string short_count(double number);

}  // namespace softmoe::training
