#include "budget/budget_limits.h"

#include <fmt/core.h>

#include <algorithm>

namespace softmoe::budget {

std::optional<std::string> refuse_budget(double budget, const ExecutionRange& range) {
  const double least = static_cast<double>(range.num_layers) * range.floor;
  if (!(budget > 0.0)) {
    return fmt::format("a budget of {} expert executions per token runs nothing; give {} to {}",
                       budget, std::max(least, 1.0), range.cap_sum);
  }
  if (budget < least) {
    return fmt::format(
        "a budget of {} expert executions per token is below the floor of {} in each of {} layers; "
        "give at least {}, or a floor of 0",
        budget, range.floor, range.num_layers, least);
  }
  if (budget > range.cap_sum) {
    return fmt::format(
        "a budget of {} expert executions per token is above the {} that the caps of {} layers let "
        "through; give at most {}, or raise the cap",
        budget, range.cap_sum, range.num_layers, range.cap_sum);
  }
  return std::nullopt;
}

std::optional<std::string> refuse_soft_mass(double soft_mass, const SimplexRange& range) {
  const int most_in_layer = std::min(range.num_experts, range.cap);
  const double least = range.num_layers;
  const double most = least + most_in_layer - 1.0;
  if (!(soft_mass >= least)) {
    return fmt::format(
        "a soft mass of {} over {} layers is below 1 per layer, the least of the simplex; give {} "
        "to {}",
        soft_mass, range.num_layers, least, most);
  }
  if (soft_mass > most) {
    return fmt::format(
        "with a soft mass of {} over {} layers the simplex can give one layer 1 + K - L = {}, more "
        "than min(experts {}, cap {}) = {}; give at most {}, or use the box with its own maximum",
        soft_mass, range.num_layers, 1.0 + soft_mass - least, range.num_experts, range.cap,
        most_in_layer, most);
  }
  return std::nullopt;
}

}  // namespace softmoe::budget
