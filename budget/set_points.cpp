#include "budget/set_points.h"

#include <fmt/core.h>

#include <cmath>

namespace softmoe::budget {
namespace {

bool is_positive(double value) {
  return std::isfinite(value) && value > 0.0;
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
  if (set_points.mode == Mode::quota) {
    return "the budget mode 'quota' is not available in this version; use 'servo' (holds the mean) "
           "or 'off'";
  }
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
  if (auto fault = find_fault_in_gains(set_points.gains)) return fault;
  return find_fault(set_points.temperature);
}

}  // namespace softmoe::budget
