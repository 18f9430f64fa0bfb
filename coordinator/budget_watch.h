#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "coordinator/auditor.h"
#include "coordinator/coordinator_config.h"

namespace softmoe::coordinator {

/// Steps that the servo gets before its budget must be held, after a start or a change. Its slowest
/// pole, also with a gain misjudged two and a half times, is 0.902 (servo_gains.h): after 45 steps
/// 1 % of a disturbance is left. The rest is for the bound on a single move of lambda.
inline constexpr int kSettlingSteps = 50;

/// Whether the budget is held, and every layer inside its bounds, over a window of steps.
///
/// The window holds steps under one budget, mode and set of costs; a change empties it. In mode
/// servo it begins kSettlingSteps after that, in mode quota at once, in mode off never. Only a full
/// window is judged. An excursion is one finding: the next needs the error to have come back to
/// half of its limit. In mode quota with costs of 1 each step's total is also compared with the
/// quota, exactly. Letters: L layers.
class BudgetWatch {
 public:
  /// @param config outlives this object.
  explicit BudgetWatch(const CoordinatorConfig& config) : config_(config) {}

  /// @param record has no fault. @param set_points those that its word carries.
  [[nodiscard]] std::vector<Finding> observe(const budget::StepRecord& record,
                                             const budget::SetPoints& set_points);
  /// The run starts anew.
  void restart();

  [[nodiscard]] int window_steps() const { return static_cast<int>(window_.size()); }
  [[nodiscard]] double mean_error_ratio() const;  ///< of (C - B) / B
  [[nodiscard]] double rms_error_ratio() const;

 private:
  struct Sample {
    double error_ratio = 0.0;
    double row_per_token = 0.0;  ///< one row, the least that a layer can differ by
    std::vector<double> executed_L;
  };
  struct Held {
    double budget = 0.0;
    budget::Mode mode = budget::Mode::off;
    std::vector<double> layer_cost_L;
    friend bool operator==(const Held&, const Held&) = default;
  };

  [[nodiscard]] std::optional<Finding> judge_mean(Step step);
  [[nodiscard]] std::optional<Finding> judge_layers(Step step, const budget::SetPoints& set_points);
  [[nodiscard]] std::optional<Finding> judge_quota(const budget::StepRecord& record,
                                                   const budget::SetPoints& set_points);

  const CoordinatorConfig& config_;
  std::optional<Held> held_;
  int num_settling_ = 0;
  std::deque<Sample> window_;
  bool is_off_budget_ = false;
  bool is_off_quota_ = false;
  bool is_off_bounds_ = false;
};

}  // namespace softmoe::coordinator
