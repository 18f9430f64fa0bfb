#pragma once

// What the owner of the budget asks for. Everything a controller may depend on besides the records.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "budget/control_word.h"
#include "budget/servo_gains.h"
#include "budget/temperature.h"
#include "runtime/base/strong.h"

namespace softmoe::budget {

/// The set-points of a run; they change only by a SetPointChange.
struct SetPoints {
  /// B: realised expert executions per token, summed over layers, each weighted by its cost. Not
  /// to be confused with K, the soft mass of LapSum: sum k_l = K does not bound what is executed.
  double budget = 0.0;
  Mode mode = Mode::servo;
  double initial_lambda = 0.0;  ///< lambda of step 0; held in the modes off and quota
  double min_lambda = -8.0;     ///< bounds of the servo, in units of alpha (a factor e^8 of tau)
  double max_lambda = 8.0;
  std::vector<double> layer_cost_L = {};  ///< cost of one row per layer; empty: 1 each
  /// Bounds of what a layer executes per token, on average over a step; empty: its floor and cap.
  /// Quota splits the budget inside them. The servo has one lambda for all layers and cannot hold
  /// them: there the audit reports a layer that leaves them.
  std::vector<double> layer_min_L = {};
  std::vector<double> layer_max_L = {};
  ServoGains gains = {};
  Temperature temperature = {};
  std::int64_t revision = 0;  ///< counts the changes of a run
  std::int64_t term = 0;      ///< fencing term of the owner; 0: the run itself
};

/// Set-points that hold from a step on.
struct SetPointChange {
  Step effective_from = {};
  SetPoints set_points = {};
};

/// In words what makes the set-points unusable, or nothing. What needs the model (its layers, floor
/// and caps) is asked by budget_limits.h.
[[nodiscard]] std::optional<std::string> find_fault(const SetPoints& set_points);

}  // namespace softmoe::budget
