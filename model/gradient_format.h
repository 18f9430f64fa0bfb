#pragma once

#include <cstdint>

#include "runtime/base/fixed_point.h"

namespace softmoe::model {

/// How gradients of a step are summed exactly: a function of the run's definition, so there is no
/// scale to measure, to agree on or to save.
///
/// The mean gradient of a token has its last place at 2^-52 or below 2^-51, far below Adam's
/// epsilon of 1e-8, and a lane's contribution fits as long as the mean over the lane's tokens is
/// below 2^9.
/// @param step_tokens  tokens of a step, over all lanes; at least 1
/// @param lanes        of a step; at least 1
[[nodiscard]] FixedPoint gradient_format(std::int64_t step_tokens, std::int64_t lanes);

}  // namespace softmoe::model
