#include "experts/expert_placement.h"

#include <fmt/format.h>

#include "runtime/base/errors.h"

namespace softmoe::experts {

ExpertPlacement::ExpertPlacement(int num_experts, int num_ranks) : num_ranks_(num_ranks) {
  require(num_experts > 0 && num_ranks > 0, "experts and ranks are counted from 1");
  if (num_experts % num_ranks != 0) {
    const int below = num_experts / num_ranks * num_ranks;
    throw ConfigError(fmt::format(
        "{} experts cannot be spread evenly over {} expert-parallel ranks: set "
        "model.experts.num_experts to {}{} or change parallel.expert_parallel to a divisor of {}",
        num_experts, num_ranks, below > 0 ? fmt::format("{} or ", below) : "", below + num_ranks,
        num_experts));
  }
  experts_per_rank_ = num_experts / num_ranks;
}

}  // namespace softmoe::experts
