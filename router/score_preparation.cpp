#include "router/score_preparation.h"

#include <algorithm>

#include "runtime/ops/elementwise.h"
#include "runtime/ops/route_scores.h"

namespace softmoe::router {

namespace {

// Keeps the scale of a token whose logits are all equal finite; logits of size 1e-2 still come out
// with their spread right to 1 %.
constexpr double kEpsilon = 1e-6;

}  // namespace

double noise_at(const RouterConfig& config, std::int64_t step) {
  if (config.noise_steps <= 0) return config.noise_std;
  const double done = static_cast<double>(step) / static_cast<double>(config.noise_steps);
  return config.noise_std * std::clamp(1.0 - done, 0.0, 1.0);
}

void prepare_scores(const RouterConfig& config, const RouteArguments& arguments,
                    const RoutePlan& plan, Workspace& work) {
  if (config.normalisation == ScoreNormalisation::token) {
    ops::route_normalise({.x_RC = arguments.logits_TE,
                          .gain = arguments.gain,
                          .epsilon = kEpsilon,
                          .y_RC = plan.scores_TE,
                          .n_RC = plan.centred_TE,
                          .scale_R = plan.score_scale_T},
                         work.scratch, work.compute);
  } else {
    ops::copy(arguments.logits_TE, plan.scores_TE, work.compute);
  }

  const TokenIdentity& tokens = arguments.tokens;
  const double noise = arguments.mode == RouteMode::training ? noise_at(config, tokens.step) : 0.0;
  if (noise > 0) {
    ops::route_noise({.x_RC = plan.scores_TE,
                      .standard_deviation = noise,
                      .key = {.seed = tokens.seed,
                              .purpose = RandomPurpose::gate_noise,
                              .step = static_cast<std::uint32_t>(tokens.step),
                              .layer = static_cast<std::uint32_t>(arguments.setting.layer)},
                      .first_index = tokens.first_token},
                     work.compute);
  }
}

void prepare_scores_backward(const RouterConfig& config, const RouteBackwardArguments& arguments,
                             TensorView d_scores_TE, Workspace& work) {
  if (config.normalisation == ScoreNormalisation::off) return;
  ops::route_normalise_backward({.d_y_RC = d_scores_TE,
                                 .n_RC = arguments.plan.centred_TE,
                                 .scale_R = arguments.plan.score_scale_T,
                                 .gain = arguments.forward.gain,
                                 .d_x_RC = d_scores_TE,
                                 .d_gain = arguments.d_gain},
                                work.scratch, work.compute);
}

}  // namespace softmoe::router
