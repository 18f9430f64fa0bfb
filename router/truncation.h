#pragma once

// The hard part of the choice: where the surface lies and how many experts a token may run.

#include "router/router.h"
#include "runtime/ops/route_gates.h"
#include "runtime/ops/route_select.h"

namespace softmoe::router {

/// The truncation surface of a layer: an expert is above it if u = (r - b) / alpha > cut, which is
/// r > b + alpha (F^-1(tau0) + lambda), which is p > tau. lambda moves the surface by so many alpha
/// whatever tau0 is, so the gain of a controller is alpha times the density of scores at the
/// surface.
struct Surface {
  double cut = 0.0;  ///< F^-1(tau0) + lambda
  double tau = 0.5;  ///< F(cut)
};

[[nodiscard]] Surface surface(const RouterConfig& config, const LayerSetting& setting);

/// The lambda that puts the surface at `cut`: cut - F^-1(tau0).
[[nodiscard]] double lambda_of_cut(const RouterConfig& config, double cut);

/// The rule by which experts of this plan are chosen; for the kind `hash` without scores.
[[nodiscard]] ops::RouteChoice choice_rule(const RouterConfig& config, const LayerSetting& setting,
                                           const RoutePlan& plan);

/// The plan's gates as its kernels want them.
[[nodiscard]] ops::RouteGatesArguments gate_rule(const RouterConfig& config,
                                                 const LayerSetting& setting,
                                                 const RoutePlan& plan);

}  // namespace softmoe::router
