#include "budget/temperature.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace softmoe::budget {
namespace {

using ::testing::HasSubstr;
using ::testing::Optional;

/// A closed loop that aims at W/k = 0.5 throughout.
Temperature half_soft() {
  return {.kind = TemperatureKind::boundary_mass, .start_softness = 0.5, .end_softness = 0.5};
}

Softness softness_of(double ratio) {
  return {.boundary_mass = 4.0 * ratio, .soft_mass = 4.0};
}

TEST(Temperature, ConstantStaysAndIgnoresWhatItSees) {
  const Temperature schedule{.start = 2.0};

  EXPECT_EQ(next_alpha(schedule, Step{500}, 1.0, softness_of(0.9)), 2.0);
}

TEST(Temperature, CosineFallsFromStartToEndAndStaysThere) {
  const Temperature schedule{
      .kind = TemperatureKind::cosine, .start = 5.0, .end = 1.0, .num_steps = 200};

  EXPECT_EQ(planned_alpha(schedule, Step{0}), 5.0);
  EXPECT_NEAR(planned_alpha(schedule, Step{50}), 3.0 + std::sqrt(2.0), 1e-12);
  EXPECT_NEAR(planned_alpha(schedule, Step{100}), 3.0, 1e-12);
  EXPECT_EQ(planned_alpha(schedule, Step{200}), 1.0);
  EXPECT_EQ(planned_alpha(schedule, Step{9000}), 1.0);
}

TEST(Temperature, CosineBeginsAtItsFirstStep) {
  const Temperature schedule{.kind = TemperatureKind::cosine,
                             .start = 5.0,
                             .end = 1.0,
                             .first_step = 1000,
                             .num_steps = 200};

  EXPECT_EQ(planned_alpha(schedule, Step{0}), 5.0);
  EXPECT_EQ(planned_alpha(schedule, Step{1000}), 5.0);
  EXPECT_NEAR(planned_alpha(schedule, Step{1100}), 3.0, 1e-12);
  EXPECT_EQ(planned_alpha(schedule, Step{1200}), 1.0);
}

TEST(Temperature, TheTargetOfTheClosedLoopFallsFromItsFirstStep) {
  const Temperature schedule{.kind = TemperatureKind::boundary_mass,
                             .first_step = 1000,
                             .num_steps = 200,
                             .start_softness = 0.9,
                             .end_softness = 0.3};

  EXPECT_EQ(next_alpha(schedule, Step{999}, 1.0, softness_of(0.9)), 1.0);
  EXPECT_EQ(next_alpha(schedule, Step{1000}, 1.0, softness_of(0.9)), 1.0);
  EXPECT_EQ(next_alpha(schedule, Step{1100}, 1.0, softness_of(0.6)), 1.0);
  EXPECT_EQ(next_alpha(schedule, Step{1300}, 1.0, softness_of(0.3)), 1.0);
}

TEST(Temperature, ClosedLoopHardensARouterThatIsTooSoftAndSoftensOneTooHard) {
  EXPECT_NEAR(next_alpha(half_soft(), Step{1}, 1.0, softness_of(0.55)), std::exp(-0.0025), 1e-12);
  EXPECT_NEAR(next_alpha(half_soft(), Step{1}, 1.0, softness_of(0.45)), std::exp(0.0025), 1e-12);
  EXPECT_EQ(next_alpha(half_soft(), Step{1}, 1.0, softness_of(0.5)), 1.0);
}

TEST(Temperature, ClosedLoopMovesAtMostHalfAPercentPerStep) {
  EXPECT_EQ(next_alpha(half_soft(), Step{1}, 1.0, softness_of(0.95)), 0.995);
  EXPECT_EQ(next_alpha(half_soft(), Step{1}, 1.0, softness_of(0.05)), 1.005);
}

TEST(Temperature, ClosedLoopWaitsWhileTheBudgetIsOff) {
  Softness seen = softness_of(0.8);
  seen.budget_error_ratio = -0.021;
  const double waiting = next_alpha(half_soft(), Step{1}, 1.0, seen);
  seen.budget_error_ratio = -0.019;
  const double moving = next_alpha(half_soft(), Step{1}, 1.0, seen);

  EXPECT_EQ(waiting, 1.0);
  EXPECT_LT(moving, 1.0);
}

TEST(Temperature, ClosedLoopWaitsWhileTheRouterIsFlat) {
  EXPECT_EQ(next_alpha(half_soft(), Step{1}, 1.0, softness_of(0.99)), 1.0);
}

TEST(Temperature, ClosedLoopKeepsItsFloorAndCeiling) {
  Temperature schedule = half_soft();
  schedule.floor = 0.999;
  schedule.ceiling = 1.001;

  EXPECT_EQ(next_alpha(schedule, Step{1}, 1.0, softness_of(0.9)), 0.999);
  EXPECT_EQ(next_alpha(schedule, Step{1}, 1.0, softness_of(0.1)), 1.001);
}

TEST(Temperature, ClosedLoopReachesItsTargetOnAPlantWhoseSoftnessGrowsWithAlpha) {
  const Temperature schedule = half_soft();
  double alpha = 4.0;
  for (int step = 0; step < 600; ++step) {
    alpha = next_alpha(schedule, Step{step}, alpha, softness_of(alpha / (1.0 + alpha)));
  }

  EXPECT_NEAR(alpha, 1.0, 0.01);
}

TEST(Temperature, FaultsAreNamed) {
  EXPECT_THAT(find_fault({.end = -1.0}), Optional(HasSubstr("goes from 1 to -1")));
  EXPECT_THAT(find_fault({.first_step = -1}), Optional(HasSubstr("changes from step -1 on")));
  EXPECT_THAT(find_fault({.num_steps = 0}), Optional(HasSubstr("over 0 steps")));
  EXPECT_THAT(find_fault({.kind = TemperatureKind::boundary_mass, .start_softness = 1.0}),
              Optional(HasSubstr("W/k is asked to go from 1 to 0.25")));
  EXPECT_THAT(find_fault({.kind = TemperatureKind::boundary_mass, .floor = 2.0}),
              Optional(HasSubstr("starts at 1, outside its bounds [2, 16]")));
  EXPECT_EQ(find_fault(Temperature{}), std::nullopt);
}

}  // namespace
}  // namespace softmoe::budget
