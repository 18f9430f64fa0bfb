#pragma once

// A routing workload as plans on a rank's device. Letters: L MoE layers, E experts.

#include <cstdint>
#include <span>
#include <vector>

#include "bench/plan_on_device.h"
#include "bench/routing_workload.h"
#include "launcher/run/run_config.h"
#include "parallel/topology.h"

namespace softmoe::bench {

/// Which decisions steps run under.
struct GivenRouting {
  Workload workload = Workload::balanced;
  /// Experts are relabelled by place_by_load() of the loads of the step before, as a trainer that
  /// moves experts would know them.
  bool is_placed = false;
};

/// The plans of this rank's lanes, step by step. Layers differ in who is hot.
class GivenPlans {
 public:
  /// @param config, work  outlive this object
  GivenPlans(const launcher::RunConfig& config, const parallel::Topology& topology,
             Workspace& work);

  /// Makes the plans of a step. Waits for the device.
  /// @throws ConfigError if the workload does not fit the shape
  void prepare(const GivenRouting& routing, Step step);

  /// Of one lane of this rank, a plan per layer, until the next prepare().
  [[nodiscard]] std::span<const router::RoutePlan> of_lane(int lane) const;
  /// What all lanes of all ranks will have run, [L][E]: by the oracle, not by the plans.
  [[nodiscard]] const std::vector<std::vector<std::int64_t>>& loads() const { return loads_; }

 private:
  [[nodiscard]] WorkloadCase case_of(Workload workload, Step step, int layer, int lane) const;
  [[nodiscard]] std::vector<std::int64_t> loads_of(Workload workload, Step step, int layer) const;
  [[nodiscard]] int rank_of_lane(int lane) const {
    return lane % topology_.world % topology_.expert_parallel;
  }

  const launcher::RunConfig& config_;
  parallel::Topology topology_;
  Workspace& work_;
  std::vector<std::vector<router::RoutePlan>> plans_;  ///< of each lane; empty: another rank's
  std::vector<PlanOnDevice> uploaded_;                 ///< owns what they are views of
  std::vector<std::vector<std::int64_t>> loads_;
};

}  // namespace softmoe::bench
