#include "training/learning_rate.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace softmoe::training {

namespace {

/// The learning rate as a part of the peak.
double shape(const model::OptimizerConfig& config, std::int64_t step, std::int64_t steps) {
  if (step < config.warmup_steps) {
    return static_cast<double>(step + 1) / static_cast<double>(config.warmup_steps + 1);
  }
  const double length = static_cast<double>(std::max<std::int64_t>(steps - config.warmup_steps, 1));
  const double done = std::min(static_cast<double>(step - config.warmup_steps) / length, 1.0);
  const double cosine = 0.5 * (1.0 + std::cos(std::numbers::pi * done));
  return config.final_ratio + (1.0 - config.final_ratio) * cosine;
}

}  // namespace

model::GroupRates rates_at(const model::OptimizerConfig& config, std::int64_t step,
                           std::int64_t steps) {
  const double part = shape(config, step, steps);
  const double rate = config.learning_rate * part;
  const bool is_frozen =
      static_cast<double>(step) < config.layer_means_freeze * static_cast<double>(steps);
  return {.matrix = rate,
          .vector = rate,
          .router = rate * config.router_ratio,
          .layer_means = is_frozen ? 0.0 : config.layer_means_rate * part};
}

}  // namespace softmoe::training
