#pragma once

#include "bench/routing_workload.h"
#include "router/route_plan.h"
#include "runtime/device/buffer.h"
#include "runtime/device/workspace.h"

namespace softmoe::bench {

/// Choices as a plan that a router replays. Owns its arrays.
class PlanOnDevice {
 public:
  /// Waits for the device of `work`, which outlives this object.
  PlanOnDevice(const TokenExperts& choices, int num_experts, Workspace& work);

  [[nodiscard]] const router::RoutePlan& plan() const { return plan_; }

 private:
  DeviceBuffer row_begin_T1_;
  DeviceBuffer expert_N_;
  router::RoutePlan plan_;
};

}  // namespace softmoe::bench
