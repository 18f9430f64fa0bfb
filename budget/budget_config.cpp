#include "budget/budget_config.h"

#include <fmt/core.h>

#include <utility>

#include "runtime/config/check.h"
#include "runtime/config/reader.h"

namespace softmoe::budget {
namespace {

ServoGains gains_of(const BudgetConfig& config) {
  ServoGains gains = gains_for(kTrainerDelay);
  gains.newton = config.newton_gain.value_or(gains.newton);
  gains.debt = config.debt_gain.value_or(gains.debt);
  return gains;
}

}  // namespace

void BudgetScheduleConfig::bind(config::Reader& reader) {
  reader.list("from_steps", from_steps, config::Range{.min = 1},
              "steps from which the totals hold, rising; empty: the budget stays");
  reader.list("totals", totals, config::Range{.above = 0},
              "one total for each of these steps, in executions per token as budget.total");
}

void BudgetScheduleConfig::validate(config::Check& check) const {
  if (from_steps.size() != totals.size()) {
    check.refuse("totals", fmt::format("has {} numbers for {} from_steps; give one for each",
                                       totals.size(), from_steps.size()));
  }
  for (std::size_t i = 1; i < from_steps.size(); ++i) {
    if (from_steps[i] > from_steps[i - 1]) continue;
    check.refuse("from_steps",
                 fmt::format("must rise, but {} follows {}", from_steps[i], from_steps[i - 1]));
    return;
  }
}

void BudgetConfig::bind(config::Reader& reader) {
  reader.choice(
      "mode", mode, {{"servo", Mode::servo}, {"quota", Mode::quota}, {"off", Mode::off}},
      "who holds the budget: a servo on the realised compute, an exact quota of rows split "
      "before each step, or nobody");
  reader.value(
      "total", total, config::Range{.above = 0},
      "expert executions per token, summed over layers; unset: the soft mass of all layers");
  reader.value("initial_lambda", initial_lambda,
               "shift of the truncation surface at the first step, in units of alpha");
  reader.value("min_lambda", min_lambda, "lower bound of the shift");
  reader.value("max_lambda", max_lambda, "upper bound of the shift");
  reader.list("layer_costs", layer_costs, config::Range{.above = 0},
              "cost of one row in each layer with experts; empty: 1 each");
  reader.list("layer_min", layer_min, config::Range{.min = 0},
              "executions per token that each layer runs at least, held by mode quota; empty: its "
              "floor");
  reader.list("layer_max", layer_max, config::Range{.above = 0}, "and at most; empty: its cap");
  reader.value("newton_gain", newton_gain, config::Range{.above = 0},
               "share of the Newton step that the servo takes; unset: 0.5, derived for its delay");
  reader.value("debt_gain", debt_gain, config::Range{.above = 0},
               "share of the debt repaid per step; unset: 0.1, derived for the delay");
  reader.section("temperature", temperature);
  reader.section("schedule", schedule);
}

void BudgetConfig::validate(config::Check& check) const {
  if (min_lambda > max_lambda) {
    check.refuse("min_lambda", fmt::format("must be at most max_lambda = {}", max_lambda));
  } else if (initial_lambda < min_lambda || initial_lambda > max_lambda) {
    check.refuse("initial_lambda", fmt::format("must be from min_lambda = {} to max_lambda = {}",
                                               min_lambda, max_lambda));
  }
  const ServoGains gains = gains_of(*this);
  const double limit = max_stable_gain_ratio(gains);
  if (!(limit > 1.0)) {
    const ServoGains derived = gains_for(gains.delay);
    check.refuse(
        "newton_gain",
        fmt::format("must be below {:.3g} with a debt_gain of {}, or the servo is unstable; "
                    "leave both out for {} and {}, which stand a gain misjudged 3.8 times",
                    limit * gains.newton, gains.debt, derived.newton, derived.debt));
  }
}

SetPoints set_points_of(const BudgetConfig& config, const RouterDefaults& router) {
  return {
      .budget = config.total.value_or(router.soft_mass),
      .mode = config.mode,
      .initial_lambda = config.initial_lambda,
      .min_lambda = config.min_lambda,
      .max_lambda = config.max_lambda,
      .layer_cost_L = config.layer_costs,
      .layer_min_L = config.layer_min,
      .layer_max_L = config.layer_max,
      .gains = gains_of(config),
      .temperature = schedule_of(config.temperature, router.alpha),
  };
}

std::vector<SetPointChange> planned_changes(const BudgetConfig& config,
                                            const RouterDefaults& router) {
  std::vector<SetPointChange> changes = {{Step{0}, set_points_of(config, router)}};
  for (std::size_t i = 0; i < config.schedule.from_steps.size(); ++i) {
    SetPointChange change{Step{config.schedule.from_steps[i]}, changes.front().set_points};
    change.set_points.budget = config.schedule.totals[i];
    change.set_points.revision = static_cast<std::int64_t>(i) + 1;
    changes.push_back(std::move(change));
  }
  return changes;
}

}  // namespace softmoe::budget
