#pragma once

#include <cstdint>
#include <optional>

#include "runtime/base/fixed_point.h"
#include "training/training_config.h"

namespace softmoe::training {

/// How gradients are summed where the bits must not depend on the layout.
/// @param positions  of a sequence
[[nodiscard]] std::optional<FixedPoint> exact_gradients(const TrainingConfig& config,
                                                        std::int64_t positions);

}  // namespace softmoe::training
