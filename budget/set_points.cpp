#include "budget/set_points.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

namespace softmoe::budget {
namespace {

bool is_positive(double value) {
  return std::isfinite(value) && value > 0.0;
}

bool is_bound(double value) {
  return std::isfinite(value) && value >= 0.0;
}

std::optional<std::string> find_fault_in_lengths(const SetPoints& set_points) {
  const std::size_t costs = set_points.layer_cost_L.size();
  const std::size_t least = set_points.layer_min_L.size();
  const std::size_t most = set_points.layer_max_L.size();
  const std::size_t num_layers = std::max({costs, least, most});
  const auto fits = [num_layers](std::size_t size) { return size == 0 || size == num_layers; };
  if (fits(costs) && fits(least) && fits(most)) return std::nullopt;
  return fmt::format(
      "the set-points hold {} layer costs, {} layer_min and {} layer_max; each must be empty or "
      "have one number for every layer with experts",
      costs, least, most);
}

std::optional<std::string> find_fault_in_bounds(const SetPoints& set_points) {
  if (auto fault = find_fault_in_lengths(set_points)) return fault;
  const std::vector<double>& least_L = set_points.layer_min_L;
  const std::vector<double>& most_L = set_points.layer_max_L;
  double least_cost = 0.0;
  double most_cost = 0.0;
  for (std::size_t layer = 0; layer < std::max(least_L.size(), most_L.size()); ++layer) {
    const double least = least_L.empty() ? 0.0 : least_L[layer];
    const double most = most_L.empty() ? least : most_L[layer];
    if (!is_bound(least) || !is_bound(most) || least > most) {
      return fmt::format(
          "layer {} may run from {} to {} executions per token; bounds must be finite, at least 0, "
          "and min at most max",
          layer, least, most);
    }
    const double cost = set_points.layer_cost_L.empty() ? 1.0 : set_points.layer_cost_L[layer];
    least_cost += cost * least;
    most_cost += cost * most;
  }
  const bool is_met_from_below = most_L.empty() || set_points.budget <= most_cost;
  if (set_points.budget >= least_cost && is_met_from_below) return std::nullopt;
  return fmt::format(
      "the budget is {} executions per token, but the bounds of the layers let through {} to {}; "
      "change the budget, layer_min or layer_max",
      set_points.budget, least_cost,
      most_L.empty() ? std::string("any number") : fmt::format("{}", most_cost));
}

std::optional<std::string> find_fault_in_gains(const ServoGains& gains) {
  if (gains.delay != 1 && gains.delay != 2) {
    return fmt::format("the servo has a delay of {} steps; its loop is derived for 1 and 2",
                       gains.delay);
  }
  if (!is_positive(gains.newton) || !is_positive(gains.debt)) {
    return fmt::format("the servo's gains are newton {} and debt {}; both must be above 0",
                       gains.newton, gains.debt);
  }
  if (!(max_stable_gain_ratio(gains) > 1.0)) {
    return fmt::format(
        "the servo's gains newton {} and debt {} are unstable at a delay of {}; derived are {} and "
        "{}",
        gains.newton, gains.debt, gains.delay, gains_for(gains.delay).newton,
        gains_for(gains.delay).debt);
  }
  if (!is_positive(gains.max_step) || !is_positive(gains.max_repayment_ratio) ||
      !is_positive(gains.min_gain_ratio)) {
    return fmt::format(
        "the servo's limits are max_step {}, max_repayment_ratio {}, min_gain_ratio {}; all must "
        "be "
        "above 0",
        gains.max_step, gains.max_repayment_ratio, gains.min_gain_ratio);
  }
  if (!(gains.gain_smoothing > 0.0 && gains.gain_smoothing <= 1.0)) {
    return fmt::format("the servo's gain_smoothing is {}; it must be in (0, 1]",
                       gains.gain_smoothing);
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> find_fault(const SetPoints& set_points) {
  if (!is_positive(set_points.budget)) {
    return fmt::format("the budget is {} executions per token; it must be above 0",
                       set_points.budget);
  }
  const bool has_range = std::isfinite(set_points.min_lambda) &&
                         std::isfinite(set_points.max_lambda) &&
                         set_points.min_lambda <= set_points.max_lambda;
  if (!has_range) {
    return fmt::format("lambda may go from {} to {}; that is no range", set_points.min_lambda,
                       set_points.max_lambda);
  }
  if (!(set_points.initial_lambda >= set_points.min_lambda &&
        set_points.initial_lambda <= set_points.max_lambda)) {
    return fmt::format("lambda starts at {}, outside its bounds [{}, {}]",
                       set_points.initial_lambda, set_points.min_lambda, set_points.max_lambda);
  }
  for (std::size_t layer = 0; layer < set_points.layer_cost_L.size(); ++layer) {
    if (!is_positive(set_points.layer_cost_L[layer])) {
      return fmt::format("a row of layer {} costs {}; costs must be above 0", layer,
                         set_points.layer_cost_L[layer]);
    }
  }
  if (auto fault = find_fault_in_bounds(set_points)) return fault;
  if (auto fault = find_fault_in_gains(set_points.gains)) return fault;
  return find_fault(set_points.temperature);
}

}  // namespace softmoe::budget
