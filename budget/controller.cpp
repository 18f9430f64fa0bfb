#include "budget/controller.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "runtime/base/errors.h"

namespace softmoe::budget {
namespace {

void require_usable(const SetPoints& set_points) {
  if (auto fault = find_fault(set_points)) throw InvalidArgument(*fault);
}

std::optional<std::string> refusal(const ControllerState& before, const StepRecord& record,
                                   const SetPoints& set_points) {
  if (auto fault = find_fault(record)) return fault;
  const std::size_t num_costs = set_points.layer_cost_L.size();
  if (num_costs != 0 && num_costs != record.executed_L.size()) {
    return fmt::format("record of step {}: {} layers, but the set-points hold the costs of {}",
                       record.step().value, record.executed_L.size(), num_costs);
  }
  const std::size_t num_bounds =
      std::max(set_points.layer_min_L.size(), set_points.layer_max_L.size());
  if (num_bounds != 0 && num_bounds != record.executed_L.size()) {
    return fmt::format("record of step {}: {} layers, but the set-points hold the bounds of {}",
                       record.step().value, record.executed_L.size(), num_bounds);
  }
  if (!std::isfinite(gain_per_token(record, set_points.layer_cost_L))) {
    return fmt::format("record of step {}: the gains of its layers have no finite sum",
                       record.step().value);
  }
  if (record.step() <= before.last_record) {
    return fmt::format("record of step {}: step {} was already counted", record.step().value,
                       before.last_record.value);
  }
  return std::nullopt;
}

double updated_gain(double estimate, double measured, const ServoGains& gains) {
  const double smoothed = estimate + gains.gain_smoothing * (measured - estimate);
  return std::max(smoothed, measured);
}

bool points_out_of(double direction, double lambda, const SetPoints& set_points) {
  return (direction > 0.0 && lambda >= set_points.max_lambda) ||
         (direction < 0.0 && lambda <= set_points.min_lambda);
}

void run_servo(ControllerState& state, const StepRecord& record, const SetPoints& set_points) {
  const ServoGains& gains = set_points.gains;
  const double used = used_per_token(record, set_points.layer_cost_L);
  const bool was_held = record.in_force.mode == Mode::servo;
  const double overdrawn = was_held ? used - record.in_force.budget : 0.0;
  const double debt = state.debt + overdrawn;

  const double max_repayment = gains.max_repayment_ratio * set_points.budget;
  const double repayment = std::clamp(gains.debt * debt, -max_repayment, max_repayment);
  const double gain = std::max(state.gain, gains.min_gain_ratio * set_points.budget);
  const double push = gains.newton * (used - set_points.budget + repayment) / gain;
  const double move = std::clamp(push, -gains.max_step, gains.max_step);
  state.lambda = std::clamp(state.lambda + move, set_points.min_lambda, set_points.max_lambda);

  const bool winds_up = points_out_of(push, state.lambda, set_points) && overdrawn * push > 0.0;
  if (!winds_up) state.debt = debt;
}

Softness softness_of(const StepRecord& record, const SetPoints& set_points) {
  const double used = used_per_token(record, set_points.layer_cost_L);
  return {
      .boundary_mass =
          std::accumulate(record.boundary_mass_L.begin(), record.boundary_mass_L.end(), 0.0),
      .soft_mass = std::accumulate(record.soft_mass_L.begin(), record.soft_mass_L.end(), 0.0),
      .budget_error_ratio = (used - set_points.budget) / set_points.budget,
  };
}

}  // namespace

ControllerState initial_state(const SetPoints& set_points) {
  require_usable(set_points);
  return {.lambda = set_points.initial_lambda,
          .alpha = planned_alpha(set_points.temperature, Step{0})};
}

ControlWord word_for(Step step, const ControllerState& state, const SetPoints& set_points) {
  const Temperature& temperature = set_points.temperature;
  const bool is_closed_loop = temperature.kind == TemperatureKind::boundary_mass;
  return {
      .step = step,
      .revision = set_points.revision,
      .term = set_points.term,
      .lambda = state.lambda,
      .alpha = is_closed_loop ? state.alpha : planned_alpha(temperature, step),
      .budget = set_points.budget,
      .mode = set_points.mode,
  };
}

Decision decide(const ControllerState& before, const StepRecord& record,
                const SetPoints& set_points) {
  require_usable(set_points);
  const Step next{record.step().value + set_points.gains.delay};
  if (auto why = refusal(before, record, set_points)) {
    return {before, word_for(next, before, set_points), std::move(why)};
  }

  ControllerState after = before;
  after.last_record = record.step();
  after.gain =
      updated_gain(before.gain, gain_per_token(record, set_points.layer_cost_L), set_points.gains);
  if (set_points.mode == Mode::servo) {
    run_servo(after, record, set_points);
  } else {
    after.debt = 0.0;
  }
  after.alpha =
      next_alpha(set_points.temperature, next, before.alpha, softness_of(record, set_points));
  return {after, word_for(next, after, set_points), std::nullopt};
}

}  // namespace softmoe::budget
