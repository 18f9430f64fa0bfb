#pragma once

#include "runtime/base/strong.h"

namespace softmoe::experts {

/// Which rank of an expert-parallel group holds which experts: neighbours, equally many on each.
class ExpertPlacement {
 public:
  /// @throws ConfigError naming the nearest valid values if the ranks do not divide the experts.
  ExpertPlacement(int num_experts, int num_ranks);

  [[nodiscard]] int num_experts() const { return experts_per_rank_ * num_ranks_; }
  [[nodiscard]] int num_ranks() const { return num_ranks_; }
  [[nodiscard]] int experts_per_rank() const { return experts_per_rank_; }
  [[nodiscard]] Rank home_of(ExpertId expert) const {
    return Rank(expert.value / experts_per_rank_);
  }
  [[nodiscard]] ExpertId first_on(Rank rank) const {
    return ExpertId(rank.value * experts_per_rank_);
  }

 private:
  int num_ranks_;
  int experts_per_rank_;
};

}  // namespace softmoe::experts
