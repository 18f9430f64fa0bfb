#include "router/truncation.h"

#include <algorithm>
#include <cmath>

#include "runtime/ops/lapsum_values.h"

namespace softmoe::router {

namespace {

ops::GateForm gate_form(const RouterConfig& config) {
  switch (config.kind) {
    case RouterKind::hash:
      return ops::GateForm::equal;
    case RouterKind::top_k:
      return config.renormalise_top_k ? ops::GateForm::share : ops::GateForm::probability;
    case RouterKind::softmoe:
      break;
  }
  switch (config.gate) {
    case GateRule::truncated:
      return ops::GateForm::probability;
    case GateRule::relu:
      return ops::GateForm::excess;
    case GateRule::renormalised:
      break;
  }
  return ops::GateForm::share;
}

}  // namespace

int expert_cap(const RouterConfig& config, double k, int num_experts) {
  if (config.kind != RouterKind::softmoe) return std::min(config.top_k, num_experts);
  // A learned k that is whole up to rounding must not gain an expert by it.
  constexpr double kSlack = 1e-6;
  const double cap = std::ceil(k * config.cap_factor - kSlack);
  return static_cast<int>(std::clamp(cap, 1.0, static_cast<double>(num_experts)));
}

Surface surface(const RouterConfig& config, const LayerSetting& setting) {
  const double cut = ops::laplace_quantile(config.threshold) + setting.lambda;
  return {.cut = cut, .tau = ops::laplace_cdf(cut)};
}

double lambda_of_cut(const RouterConfig& config, double cut) {
  return cut - ops::laplace_quantile(config.threshold);
}

ops::RouteChoice choice_rule(const RouterConfig& config, const LayerSetting& setting,
                             const RoutePlan& plan) {
  if (config.kind == RouterKind::hash) return {};
  const int cap = expert_cap(config, setting.k, static_cast<int>(plan.num_experts));
  const bool is_softmoe = config.kind == RouterKind::softmoe;
  return {.scores_RC = plan.scores_TE,
          .anchor_R2 = plan.anchor_T2,
          .alpha = setting.alpha,
          .cut = is_softmoe ? surface(config, setting).cut : 0.0,
          .at_least = is_softmoe ? std::min(config.floor, cap) : cap,
          .at_most = cap};
}

ops::RouteGatesArguments gate_rule(const RouterConfig& config, const LayerSetting& setting,
                                   const RoutePlan& plan) {
  return {.sparse = {.row_begin_R1 = plan.row_begin_T1, .column_N = plan.expert_N},
          .signed_f_RC = plan.signed_f_TE,
          .form = gate_form(config),
          .tau = surface(config, setting).tau,
          .gate_N = plan.gate_N};
}

}  // namespace softmoe::router
