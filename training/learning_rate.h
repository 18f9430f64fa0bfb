#pragma once

#include <cstdint>

#include "model/adamw_optimizer.h"

namespace softmoe::training {

/// Rates of step `step` of `steps`: linear warm-up to the peak, then a cosine down to
/// final_ratio of it; eta waits for its part of the run, then follows the same shape.
[[nodiscard]] model::GroupRates rates_at(const model::OptimizerConfig& config, std::int64_t step,
                                         std::int64_t steps);

}  // namespace softmoe::training
