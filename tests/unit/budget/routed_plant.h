#pragma once

// The thing that the controller controls, small but real: LapSum and truncation over random scores.
// Letters: T tokens, E experts, L layers.

#include <vector>

#include "budget/set_points.h"
#include "budget/step_record.h"

namespace softmoe::budget {

/// Six layers of soft masses from 1.2 to 3, 32 experts, 1024 tokens per step, a truncation level of
/// 0.15, no cap, every token runs at least its best expert. The router sharpens: the scores' spread
/// in units of alpha grows from 0.5 to 3 over the first 60 steps.
class RoutedPlant {
 public:
  static constexpr int kNumLayers = 6;
  static constexpr int kNumExperts = 32;
  static constexpr int kNumTokens = 1024;
  static constexpr int kNumSharpeningSteps = 60;
  static constexpr double kTruncation = 0.15;

  RoutedPlant();

  /// Draws the scores of `step` and solves LapSum for every token at the temperature `alpha`. Equal
  /// steps give equal scores.
  void draw(Step step, double alpha = 1.0);

  /// Truncates the drawn scores under `word` and records what would be executed. Exact: the same
  /// draw can be run under several words.
  [[nodiscard]] StepRecord run(const ControlWord& word) const;

 private:
  std::vector<double> soft_mass_L_;
  std::vector<double> boundary_mass_L_;
  std::vector<double> u_LTE_;  ///< (score - b) / alpha
};

/// One closed loop around a plant.
struct Loop {
  SetPoints set_points;
  double gain_error = 1.0;  ///< the controller sees this times the measured gain
  int delay = 1;            ///< steps from a record to the word it decides
};

/// What a loop did, per step.
struct History {
  std::vector<StepRecord> records;
  std::vector<ControlWord> words;
  std::vector<double> error_ratio;  ///< (C - B) / B

  /// The mean of the error over all steps, and its root mean square over the last `num_steps`.
  [[nodiscard]] double mean_error() const;
  [[nodiscard]] double rms_error_of_last(int num_steps) const;
};

/// Runs the loops side by side over the same draws, all at a temperature of 1.
[[nodiscard]] std::vector<History> simulate(const std::vector<Loop>& loops, int num_steps);

/// Runs one loop with a delay of 1 at the temperature of its words.
[[nodiscard]] History simulate_with_temperature(const Loop& loop, int num_steps);

}  // namespace softmoe::budget
