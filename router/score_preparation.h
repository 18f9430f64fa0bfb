#pragma once

// From router logits to the scores that the choice sees: normalisation, gain, gate noise.

#include "router/router.h"

namespace softmoe::router {

/// Standard deviation of the gate noise in a step, in score units: falls linearly to 0 over
/// noise_steps, and is constant if that is 0.
[[nodiscard]] double noise_at(const RouterConfig& config, std::int64_t step);

/// Fills plan.scores_TE, and with normalisation `token` plan.centred_TE and plan.score_scale_T:
///
///     off:   r = logits + noise
///     token: r = gain * (logits - mean) / rms + noise
///
/// Noise is drawn in training only, from (seed, step, layer, global token id, expert).
/// @param work.saved  receives the arrays
void prepare_scores(const RouterConfig& config, const RouteArguments& arguments,
                    const RoutePlan& plan, Workspace& work);

/// The gradient by the logits from that by the scores, and that of the gain, which is added.
/// @param d_scores_TE  overwritten: holds the gradient by the logits afterwards
void prepare_scores_backward(const RouterConfig& config, const RouteBackwardArguments& arguments,
                             TensorView d_scores_TE, Workspace& work);

}  // namespace softmoe::router
