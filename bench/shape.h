#pragma once

// What a bench of steps runs: a configuration file, and which router.

#include <string>
#include <vector>

#include "launcher/run/run_config.h"

namespace softmoe::bench {

/// As the command line gives it.
struct ShapeChoice {
  std::string shape = "demo";          ///< a file of bench/shapes, without .yaml
  std::string config_path;             ///< instead of a shape; empty: the shape
  std::string routing = "softmoe";     ///< softmoe: LapSum; topk: softmax and the k best
  std::vector<std::string> overrides;  ///< key=value, as for `softmoe train`

  /// The shape, or the path of the configuration.
  [[nodiscard]] const std::string& name() const {
    return config_path.empty() ? shape : config_path;
  }
};

/// Loads a choice. Routing topk has as many experts per token in every layer as the budget has on
/// average, rounded; nothing is left to control then, so the budget's mode is off.
/// @param world  ranks of the run
/// @throws ConfigError naming the shapes there are, or what is wrong in the file
[[nodiscard]] launcher::RunConfig load_shape(const ShapeChoice& choice, int world);

/// Tokens of one lane.
[[nodiscard]] inline std::int64_t lane_tokens(const launcher::RunConfig& config) {
  return std::int64_t{config.training.lane_sequences} * config.model.positions;
}

/// Tokens of one step, over all ranks.
[[nodiscard]] inline std::int64_t step_tokens(const launcher::RunConfig& config) {
  return config.training.lanes * lane_tokens(config);
}

/// How many experts a token runs in a layer on average.
[[nodiscard]] inline double mean_experts(const launcher::RunConfig& config) {
  return config.total_budget() / config.model.moe_layers();
}

}  // namespace softmoe::bench
