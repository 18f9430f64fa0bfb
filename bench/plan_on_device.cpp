#include "bench/plan_on_device.h"

#include "bench/uploaded.h"

namespace softmoe::bench {

PlanOnDevice::PlanOnDevice(const TokenExperts& choices, int num_experts, Workspace& work)
    : row_begin_T1_(uploaded(choices.row_begin_T1, work)),
      expert_N_(uploaded(choices.expert_N, work)) {
  plan_.num_tokens = std::ssize(choices.row_begin_T1) - 1;
  plan_.num_experts = num_experts;
  plan_.row_capacity = std::ssize(choices.expert_N);
  plan_.row_begin_T1 = row_begin_T1_.as<std::int32_t>();
  plan_.expert_N = expert_N_.as<std::int32_t>();
}

}  // namespace softmoe::bench
