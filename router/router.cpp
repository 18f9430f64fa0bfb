#include "router/router.h"

#include <fmt/format.h>

#include <cmath>

#include "router/plan_memory.h"
#include "router/score_preparation.h"
#include "router/truncation.h"
#include "runtime/ops/elementwise.h"
#include "runtime/ops/lapsum.h"
#include "runtime/ops/route_compress.h"
#include "runtime/ops/route_measure.h"
#include "runtime/ops/route_quota.h"
#include "runtime/ops/route_softmax.h"

namespace softmoe::router {

namespace {

void require_fitting(const RouterConfig& config, const RouteArguments& arguments,
                     const RouteStatistics& statistics) {
  const ConstTensorView logits = arguments.logits_TE;
  if (logits.shape().rank() != 2 || logits.dim(1) < 1) {
    throw InvalidArgument(
        fmt::format("route: logits are {}, but [T, E] is wanted", logits.shape().to_string()));
  }
  const LayerSetting& setting = arguments.setting;
  if (!(setting.k > 0) || !(setting.alpha > 0) || !std::isfinite(setting.k + setting.lambda)) {
    throw InvalidArgument(fmt::format(
        "route: layer {} has k = {}, alpha = {}, lambda = {}; k and alpha must be above 0",
        setting.layer, setting.k, setting.alpha, setting.lambda));
  }
  const int experts = static_cast<int>(logits.dim(1));
  if (statistics.counts.size() != CountPlaces{experts}.size() ||
      statistics.sums.size() != kNumRouteSums) {
    throw InvalidArgument(
        fmt::format("route: statistics have {} counts and {} sums, but {} experts want {} and {}",
                    statistics.counts.size(), statistics.sums.size(), experts,
                    CountPlaces{experts}.size(), kNumRouteSums));
  }
  if (config.kind != RouterKind::softmoe && config.top_k > experts) {
    throw InvalidArgument(
        fmt::format("route: top_k is {}, but there are {} experts", config.top_k, experts));
  }
  if (config.kind == RouterKind::hash && arguments.given == nullptr &&
      arguments.tokens.token_id_T.size() != logits.dim(0)) {
    throw InvalidArgument(fmt::format("route: hash routing of {} tokens got {} token ids",
                                      logits.dim(0), arguments.tokens.token_id_T.size()));
  }
  if (setting.quota && arguments.given == nullptr) {
    if (const auto fault = quota_fault(config)) throw InvalidArgument("route: " + *fault);
  }
  const RoutePlan* given = arguments.given;
  if (given != nullptr && (given->num_tokens != logits.dim(0) || given->num_experts != experts)) {
    throw InvalidArgument(
        fmt::format("route: the given plan is of {} tokens and {} experts, the logits are {}",
                    given->num_tokens, given->num_experts, logits.shape().to_string()));
  }
}

RoutePlan allocate_plan(const RouterConfig& config, const RouteArguments& arguments, Arena& saved) {
  const std::int64_t tokens = arguments.logits_TE.dim(0);
  const std::int64_t experts = arguments.logits_TE.dim(1);
  const int cap = expert_cap(config, arguments.setting.k, static_cast<int>(experts));
  return push_plan(
      config,
      {.num_tokens = tokens,
       .num_experts = experts,
       .row_capacity = arguments.given != nullptr ? arguments.given->row_capacity : tokens * cap},
      arguments.logits_TE.dtype(), saved);
}

// p of every expert, by LapSum or softmax.
void find_probabilities(const RouterConfig& config, const RouteArguments& arguments,
                        const RoutePlan& plan, Workspace& work) {
  if (config.kind == RouterKind::hash) return;
  prepare_scores(config, arguments, plan, work);
  if (config.kind == RouterKind::top_k) {
    ops::route_softmax(plan.scores_TE, plan.signed_f_TE, work.scratch, work.compute);
    return;
  }
  ops::lapsum({.scores_RC = plan.scores_TE,
               .k = arguments.setting.k,
               .alpha = arguments.setting.alpha,
               .signed_f_RC = plan.signed_f_TE,
               .anchor_R2 = plan.anchor_T2},
              work.scratch, work.compute);
}

void choose_experts(const RouterConfig& config, const RouteArguments& arguments,
                    const RoutePlan& plan, const RouteStatistics& statistics, Workspace& work) {
  const ops::SparseRows sparse{.row_begin_R1 = plan.row_begin_T1, .column_N = plan.expert_N};
  if (const RoutePlan* given = arguments.given) {
    ops::route_replay({.row_begin_R1 = given->row_begin_T1, .column_N = given->expert_N}, sparse,
                      plan.count_E, work.compute);
    return;
  }
  const ArenaScope scope(work.scratch);
  const View<std::uint32_t> chosen = push_choice(plan.num_tokens, plan.num_experts, work.scratch);
  if (config.kind == RouterKind::hash) {
    ops::route_hash({.id_R = arguments.tokens.token_id_T,
                     .key = {.seed = arguments.tokens.seed,
                             .purpose = RandomPurpose::hash_routing,
                             .layer = static_cast<std::uint32_t>(arguments.setting.layer)},
                     .count = config.top_k,
                     .columns = plan.num_experts,
                     .chosen_RW = chosen},
                    work.compute);
  } else if (const auto& quota = arguments.setting.quota) {
    constexpr int kPlace = static_cast<int>(RouteSum::cut);
    ops::route_quota({.choice = choice_rule(config, arguments.setting, plan),
                      .num_chosen = *quota,
                      .chosen_RW = chosen,
                      .cut_sum = statistics.sums.part(kPlace, kPlace + 1)},
                     work.scratch, work.compute);
  } else {
    ops::route_select(choice_rule(config, arguments.setting, plan), chosen, work.scratch,
                      work.compute);
  }
  ops::route_compress(chosen, sparse, plan.count_E, work.scratch, work.compute);
}

// What the penalties read: the scores as LapSum saw them.
ops::RoutePenaltyArguments penalties(const RouterConfig& config, const LayerSetting& setting,
                                     const RoutePlan& plan) {
  const bool has_z = config.normalisation == ScoreNormalisation::off;
  return {.scores_RC = plan.scores_TE,
          .weight_C = setting.balance_E,
          .z_coefficient = has_z ? config.z_loss : 0.0};
}

void measure(const RouterConfig& config, const LayerSetting& setting, const RoutePlan& plan,
             const RouteStatistics& statistics, Workspace& work) {
  const int experts = static_cast<int>(plan.num_experts);
  const CountPlaces places{experts};
  const View<std::int64_t>& counts = statistics.counts;
  ops::route_measure({.choice = choice_rule(config, setting, plan),
                      .gates = gate_rule(config, setting, plan),
                      .mass = config.kind == RouterKind::softmoe
                                  ? std::min(setting.k, static_cast<double>(experts))
                                  : 1.0},
                     {.count_C = counts.part(0, experts),
                      .tallies = counts.part(experts, places.margin(0)),
                      .margin_bins = counts.part(places.margin(0), places.experts_run(0)),
                      .size_bins = counts.part(places.experts_run(0), places.size()),
                      .masses = statistics.sums.part(0, ops::kNumRouteMasses)},
                     work.scratch, work.compute);
  if (config.kind == RouterKind::hash) return;
  ops::route_penalty(penalties(config, setting, plan),
                     statistics.sums.part(ops::kNumRouteMasses, static_cast<int>(RouteSum::cut)),
                     work.scratch, work.compute);
}

}  // namespace

std::optional<std::string> quota_fault(const RouterConfig& config) {
  if (config.kind != RouterKind::softmoe) {
    return "a quota splits the budget among tokens of the kind softmoe; top_k and hash run a fixed "
           "number of experts: set budget.mode to off";
  }
  if (config.gate == GateRule::relu) {
    return "gate relu subtracts the threshold of the surface, and a quota has none: set "
           "model.router.gate to truncated or renormalised, or budget.mode to servo";
  }
  return std::nullopt;
}

RoutePlan route(const RouterConfig& config, const RouteArguments& arguments,
                const RouteStatistics& statistics, Workspace& work) {
  require_fitting(config, arguments, statistics);
  const RoutePlan plan = allocate_plan(config, arguments, work.saved);
  find_probabilities(config, arguments, plan, work);
  choose_experts(config, arguments, plan, statistics, work);
  ops::route_gates(gate_rule(config, arguments.setting, plan), work.compute);
  measure(config, arguments.setting, plan, statistics, work);
  return plan;
}

void route_backward(const RouterConfig& config, const RouteBackwardArguments& arguments,
                    Workspace& work) {
  const RoutePlan& plan = arguments.plan;
  const LayerSetting& setting = arguments.forward.setting;
  const TensorView d_logits = arguments.d_logits_TE;
  if (config.kind == RouterKind::hash) {
    ops::fill_zero(d_logits, work.compute);
    return;
  }
  // One array is in turn the gradient by p, by the scores and by the logits.
  ops::route_gates_backward(gate_rule(config, setting, plan), arguments.d_gate_N, d_logits,
                            work.compute);
  if (config.kind == RouterKind::top_k) {
    ops::route_softmax_vjp(
        {.signed_f_RC = plan.signed_f_TE, .d_p_RC = d_logits, .d_scores_RC = d_logits},
        work.scratch, work.compute);
  } else {
    ops::lapsum_vjp({.forward = {.scores_RC = plan.scores_TE,
                                 .k = setting.k,
                                 .alpha = setting.alpha,
                                 .signed_f_RC = plan.signed_f_TE,
                                 .anchor_R2 = plan.anchor_T2},
                     .d_p_RC = d_logits,
                     .d_scores_RC = d_logits,
                     .d_k = arguments.d_k.as<double>()},
                    work.scratch, work.compute);
  }
  const ops::RoutePenaltyArguments penalty = penalties(config, setting, plan);
  if (!penalty.weight_C.empty() || penalty.z_coefficient != 0) {
    ops::route_penalty_backward(penalty, d_logits, work.scratch, work.compute);
  }
  prepare_scores_backward(config, arguments, d_logits, work);
}

}  // namespace softmoe::router
