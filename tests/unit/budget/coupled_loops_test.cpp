// Two loops at once around real LapSum and truncation: the servo moves lambda by the compute, and
// the temperature follows the boundary mass, while the router sharpens sixfold.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "budget/controller.h"
#include "tests/unit/budget/routed_plant.h"

namespace softmoe::budget {
namespace {

constexpr double kBudget = 12.0;
constexpr int kNumSteps = 320;

/// The target falls over the steps of the sharpening and a hundred more, then stays.
SetPoints coupled() {
  return {.budget = kBudget,
          .temperature = {.kind = TemperatureKind::boundary_mass,
                          .start = 1.0,
                          .num_steps = 160,
                          .start_softness = 0.8,
                          .end_softness = 0.45}};
}

double softness(const StepRecord& record) {
  double boundary_mass = 0.0;
  double soft_mass = 0.0;
  for (std::size_t layer = 0; layer < record.soft_mass_L.size(); ++layer) {
    boundary_mass += record.boundary_mass_L[layer];
    soft_mass += record.soft_mass_L[layer];
  }
  return boundary_mass / soft_mass;
}

/// How often a series turns around, not counting moves below `noise`.
int count_turns(const std::vector<double>& series, double noise) {
  int turns = 0;
  double direction = 0.0;
  double extreme = series.front();
  for (const double value : series) {
    const double move = value - extreme;
    if (direction * move >= 0.0 && std::abs(move) > (direction == 0.0 ? noise : 0.0)) {
      direction = move > 0.0 ? 1.0 : -1.0;
      extreme = value;
    } else if (direction * move < -noise) {
      ++turns;
      direction = -direction;
      extreme = value;
    }
  }
  return turns;
}

class CoupledLoops : public testing::TestWithParam<double> {};

TEST_P(CoupledLoops, ReachTheSoftnessAndHoldTheBudgetTogether) {
  const History history =
      simulate_with_temperature({.set_points = coupled(), .gain_error = GetParam()}, kNumSteps);

  EXPECT_LT(std::abs(history.mean_error()), 0.005);
  EXPECT_LT(history.rms_error_of_last(100), 0.02);
  for (std::size_t step = kNumSteps - 40; step < kNumSteps; ++step) {
    ASSERT_NEAR(softness(history.records[step]), 0.45, 0.02) << "step " << step;
  }
  // Neither loop swings: alpha turns where the sharpening ends, lambda as it first finds its level.
  std::vector<double> alphas;
  std::vector<double> lambdas;
  for (const ControlWord& word : history.words) {
    alphas.push_back(word.alpha);
    lambdas.push_back(word.lambda);
  }
  EXPECT_LE(count_turns(alphas, 0.01), 2);
  EXPECT_LE(count_turns(lambdas, 0.1), 3);
}

INSTANTIATE_TEST_SUITE_P(GainEstimates, CoupledLoops, testing::Values(1.0, 0.4, 2.5));

}  // namespace
}  // namespace softmoe::budget
