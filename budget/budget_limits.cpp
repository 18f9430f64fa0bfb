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

std::optional<std::string> refuse_layer_bounds(double budget, const LayerBounds& bounds) {
  const auto num_layers = static_cast<std::size_t>(bounds.num_layers);
  const auto fits = [&](std::span<const double> list) {
    return list.empty() || list.size() == num_layers;
  };
  if (!fits(bounds.cost_L) || !fits(bounds.least_L) || !fits(bounds.most_L)) {
    return fmt::format(
        "{} layers with experts have {} costs, {} layer_min and {} layer_max; give "
        "one for each layer, or none",
        num_layers, bounds.cost_L.size(), bounds.least_L.size(), bounds.most_L.size());
  }
  double least_cost = 0.0;
  double most_cost = 0.0;
  for (std::size_t layer = 0; layer < num_layers; ++layer) {
    const double floor = bounds.floor;
    const double least = bounds.least_L.empty() ? floor : bounds.least_L[layer];
    const double most = bounds.most_L.empty() ? bounds.cap : bounds.most_L[layer];
    if (!(least <= most) || !(least <= bounds.cap) || !(most >= floor)) {
      return fmt::format(
          "layer {} may run from {} to {} executions per token, but its floor is {} and its cap "
          "{}: let min be at most max and the cap, and max at least the floor",
          layer, least, most, floor, bounds.cap);
    }
    const double cost = bounds.cost_L.empty() ? 1.0 : bounds.cost_L[layer];
    least_cost += cost * std::max(least, floor);
    most_cost += cost * std::min(most, bounds.cap);
  }
  if (budget >= least_cost && budget <= most_cost) return std::nullopt;
  return fmt::format(
      "a budget of {} executions per token is outside of the {} to {} that the bounds of {} layers "
      "let through; change it, layer_min or layer_max",
      budget, least_cost, most_cost, num_layers);
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
