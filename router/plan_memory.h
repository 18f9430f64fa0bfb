#pragma once

// Room of a route plan. Letters as in route_plan.h.

#include "router/route_plan.h"
#include "router/router_config.h"
#include "runtime/ops/route_select.h"

namespace softmoe::router {

struct PlanSize {
  std::int64_t num_tokens = 0;
  std::int64_t num_experts = 0;
  std::int64_t row_capacity = 0;
};

/// A plan of that size with all its arrays, not yet written.
/// @param dtype  of scores and gates
/// @param saved  an Arena or an ArenaMeasure
template <class Memory>
[[nodiscard]] RoutePlan push_plan(const RouterConfig& config, const PlanSize& size, DType dtype,
                                  Memory& saved) {
  RoutePlan plan;
  plan.num_tokens = size.num_tokens;
  plan.num_experts = size.num_experts;
  plan.row_capacity = size.row_capacity;
  plan.row_begin_T1 = saved.template push<std::int32_t>(size.num_tokens + 1);
  plan.expert_N = saved.template push<std::int32_t>(size.row_capacity);
  plan.gate_N = saved.push(dtype, {size.row_capacity});
  plan.count_E = saved.template push<std::int32_t>(size.num_experts);
  if (config.kind == RouterKind::hash) return plan;
  const Shape shape_TE{size.num_tokens, size.num_experts};
  plan.scores_TE = saved.push(dtype, shape_TE);
  if (config.normalisation == ScoreNormalisation::token) {
    plan.centred_TE = saved.push(dtype, shape_TE);
    plan.score_scale_T = saved.push(dtype, {size.num_tokens});
  }
  plan.signed_f_TE = saved.push(dtype, shape_TE);
  if (config.kind == RouterKind::softmoe) {
    plan.anchor_T2 = saved.push(dtype, {size.num_tokens, 2});
  }
  return plan;
}

/// Bits of the experts that each token chose, while it chooses.
template <class Memory>
[[nodiscard]] View<std::uint32_t> push_choice(std::int64_t num_tokens, std::int64_t num_experts,
                                              Memory& scratch) {
  return scratch.template push<std::uint32_t>(num_tokens * ops::num_choice_words(num_experts));
}

}  // namespace softmoe::router
