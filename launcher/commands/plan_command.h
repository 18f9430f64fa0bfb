#pragma once

// `softmoe plan`: what a run would take, before it is started.

#include <optional>
#include <string>
#include <vector>

#include "launcher/run/exit_code.h"

namespace softmoe::launcher {

struct PlanOptions {
  std::string config_path;
  std::vector<std::string> overrides;
  std::optional<int> expect_world;  ///< ranks; else what a launcher says; else 1
  std::string memory_per_rank;      ///< "16GiB"; empty: nothing is compared
  double imbalance = 2.0;           ///< rows of the fullest rank over the mean
  std::optional<double> efficiency;
  std::optional<double> flops_per_rank;
  bool json = false;
};

/// Needs neither MPI nor a GPU, and takes under a second where the rate is given.
/// @return done, or configuration if the run cannot fit
/// @throws ConfigError as `softmoe train` would
[[nodiscard]] ExitCode plan(const PlanOptions& options);

}  // namespace softmoe::launcher
