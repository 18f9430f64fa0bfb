#include "training/lane_quotas.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "parallel/reduce.h"
#include "router/router.h"

namespace softmoe::training {

namespace {

void take_list(const std::vector<double>& list_L, double if_empty, std::span<double> into_L) {
  if (list_L.size() == into_L.size()) {
    std::copy(list_L.begin(), list_L.end(), into_L.begin());
  } else {
    std::fill(into_L.begin(), into_L.end(), if_empty);
  }
}

}  // namespace

LaneQuotas::LaneQuotas(const Run& run)
    : run_(run),
      fault_(router::quota_fault(run.model.router)),
      bounds_3L_(3 * static_cast<std::size_t>(run.model.moe_layers())),
      cap_L_(static_cast<std::size_t>(run.model.moe_layers())),
      lane_rows_L_(cap_L_.size()) {}

void LaneQuotas::agree_on_bounds(const budget::ControlWord& word, const Governor* governor,
                                 parallel::Communicator& world, Stream& exchange) {
  if (!apply_to(word) || revision_ == word.revision) return;
  if (governor != nullptr) read_bounds(governor->set_points_at(word.step));
  parallel::broadcast_on_host(std::as_writable_bytes(std::span(bounds_3L_)), Rank(0), world,
                              exchange);
  revision_ = word.revision;
}

void LaneQuotas::begin_step(const budget::ControlWord& word, std::span<const double> mean_L) {
  const router::RouterConfig& router = run_.model.router;
  const int experts = run_.model.experts.num_experts;
  for (std::size_t layer = 0; layer < num_layers(); ++layer) {
    cap_L_[layer] = router::expert_cap(router, mean_L[layer], experts);
  }
  step_ = word.step;
  split_ = budget::split_quota({.budget = word.budget,
                                .step = word.step,
                                .tokens = run_.tokens,
                                .floor = router.floor,
                                .mean_L = mean_L,
                                .cap_L = cap_L_,
                                .cost_L = part(0),
                                .least_L = part(1),
                                .most_L = part(2)},
                               std::move(split_));
}

std::span<const std::int64_t> LaneQuotas::of_lane(int lane) {
  for (std::size_t layer = 0; layer < num_layers(); ++layer) {
    lane_rows_L_[layer] = budget::lane_quota(
        split_.rows_L[layer],
        {.lane = lane, .num_lanes = run_.lanes, .layer = static_cast<int>(layer), .step = step_});
  }
  return lane_rows_L_;
}

void LaneQuotas::read_bounds(const budget::SetPoints& set_points) {
  take_list(set_points.layer_cost_L, 1.0, part(0));
  take_list(set_points.layer_min_L, 0.0, part(1));
  take_list(set_points.layer_max_L, std::numeric_limits<double>::infinity(), part(2));
}

}  // namespace softmoe::training
