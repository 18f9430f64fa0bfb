#include "bench/given_plans.h"

#include <algorithm>

#include "bench/shape.h"
#include "experts/place_by_load.h"

namespace softmoe::bench {

namespace {

/// The loads of experts that have been relabelled.
std::vector<std::int64_t> moved(const std::vector<std::int64_t>& load_E,
                                std::span<const int> slot_E) {
  std::vector<std::int64_t> moved_E(load_E.size());
  for (std::size_t expert = 0; expert < load_E.size(); ++expert)
    moved_E[static_cast<std::size_t>(slot_E[expert])] = load_E[expert];
  return moved_E;
}

}  // namespace

GivenPlans::GivenPlans(const launcher::RunConfig& config, const parallel::Topology& topology,
                       Workspace& work)
    : config_(config), topology_(topology), work_(work) {}

WorkloadCase GivenPlans::case_of(Workload workload, Step step, int layer, int lane) const {
  return {.workload = workload,
          .num_ranks = topology_.expert_parallel,
          .num_tokens = lane_tokens(config_),
          .num_experts = config_.model.experts.num_experts,
          .mean_experts = mean_experts(config_),
          .seed = config_.training.seed + static_cast<std::uint64_t>(layer) * 1000,
          .step = step.value,
          .batch = lane / topology_.expert_parallel};
}

std::vector<std::int64_t> GivenPlans::loads_of(Workload workload, Step step, int layer) const {
  std::vector<std::int64_t> load_E(static_cast<std::size_t>(config_.model.experts.num_experts));
  for (int lane = 0; lane < config_.training.lanes; ++lane) {
    const auto of_lane = rows_per_expert(case_of(workload, step, layer, lane), rank_of_lane(lane));
    for (std::size_t expert = 0; expert < load_E.size(); ++expert)
      load_E[expert] += of_lane[expert];
  }
  return load_E;
}

void GivenPlans::prepare(const GivenRouting& routing, Step step) {
  work_.compute.synchronize();
  uploaded_.clear();
  loads_.clear();
  plans_.assign(static_cast<std::size_t>(config_.training.lanes), {});
  const Step before(std::max<std::int64_t>(step.value - 1, 0));
  for (int layer = 0; layer < config_.model.moe_layers(); ++layer) {
    std::vector<int> slot_E;
    loads_.push_back(loads_of(routing.workload, step, layer));
    if (routing.is_placed) {
      slot_E = experts::place_by_load(loads_of(routing.workload, before, layer),
                                      topology_.expert_parallel);
      loads_.back() = moved(loads_.back(), slot_E);
    }
    for (int lane = topology_.rank.value; lane < config_.training.lanes; lane += topology_.world) {
      const WorkloadCase of = case_of(routing.workload, step, layer, lane);
      const TokenExperts choices = choose_experts(of, rank_of_lane(lane));
      plans_[static_cast<std::size_t>(lane)].push_back(
          uploaded_
              .emplace_back(routing.is_placed ? relabelled(choices, slot_E) : choices,
                            config_.model.experts.num_experts, work_)
              .plan());
    }
  }
}

std::span<const router::RoutePlan> GivenPlans::of_lane(int lane) const {
  return plans_[static_cast<std::size_t>(lane)];
}

}  // namespace softmoe::bench
