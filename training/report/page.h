#pragma once

// The report of a run: one HTML page that needs nothing else, not even a network.

#include <cstdint>
#include <optional>
#include <string>

#include "training/report/run_history.h"

namespace softmoe::training {

/// What the page says of a run and its folder does not hold.
struct RunFacts {
  std::string name;                           ///< the run folder as the user named it
  std::string made_by;                        ///< program and version
  std::string made_at;                        ///< UTC
  std::optional<std::int64_t> parameters;     ///< of the model
  std::optional<std::int64_t> of_experts;     ///< those in experts
  std::optional<std::int64_t> planned_steps;  ///< training.steps
  std::optional<double> clip_norm;            ///< optimizer.clip_norm; 0: never clipped
};

/// The page. Its size does not grow with the length of the run, and stays below 3 MB for 64 layers
/// of 512 experts: a chart has at most about 6,000 points (points_of_each), a map of loads a few
/// bytes per cell.
[[nodiscard]] std::string report_page(const RunHistory& history, const RunFacts& facts);

}  // namespace softmoe::training
