#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "budget/set_points.h"
#include "budget/temperature_config.h"

namespace softmoe::config {
class Reader;
class Check;
}  // namespace softmoe::config

namespace softmoe::budget {

/// The section `budget.schedule`: totals that replace `budget.total` from their steps on.
struct BudgetScheduleConfig {
  std::vector<std::int64_t> from_steps;  ///< rising, at least 1
  std::vector<double> totals;            ///< as many

  void bind(config::Reader& reader);
  void validate(config::Check& check) const;
};

/// The section `budget`: what a run is given before anybody changes its set-points.
///
/// Rules that need the model (B against floor and caps, the simplex, layer bounds) are in
/// budget_limits.h; the launcher asks them with the sizes of the other sections.
struct BudgetConfig {
  Mode mode = Mode::servo;
  std::optional<double> total;  ///< B; unset: K, the soft mass of all layers
  double initial_lambda = 0.0;
  double min_lambda = -8.0;
  double max_lambda = 8.0;
  std::vector<double> layer_costs;    ///< one per layer with experts; empty: 1 each
  std::vector<double> layer_min;      ///< executions per token; empty: the floor of each layer
  std::vector<double> layer_max;      ///< empty: its cap
  std::optional<double> newton_gain;  ///< unset: derived for the trainer's delay
  std::optional<double> debt_gain;
  TemperatureConfig temperature;
  BudgetScheduleConfig schedule;

  void bind(config::Reader& reader);
  void validate(config::Check& check) const;
};

/// What the router's section says where this one is silent.
struct RouterDefaults {
  double soft_mass = 0.0;  ///< K, summed over layers: B where no total is configured
  double alpha = 1.0;      ///< its temperature: where the schedule starts
};

/// The set-points of step 0, revision 0.
[[nodiscard]] SetPoints set_points_of(const BudgetConfig& config, const RouterDefaults& router);

/// All that is planned before the run: the set-points of step 0 with revision 0, then one change
/// for each entry of the schedule, revisions 1, 2, ..., which differ in the budget alone. Whoever
/// changes set-points while the run goes on counts on from the last of them.
[[nodiscard]] std::vector<SetPointChange> planned_changes(const BudgetConfig& config,
                                                          const RouterDefaults& router);

}  // namespace softmoe::budget
