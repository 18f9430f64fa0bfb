#include "budget/set_points.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>

namespace softmoe::budget {
namespace {

using ::testing::HasSubstr;
using ::testing::Optional;

/// The fault of set-points that were fine until `spoil`.
std::optional<std::string> fault_after(const std::function<void(SetPoints&)>& spoil) {
  SetPoints set_points{.budget = 12.0};
  spoil(set_points);
  return find_fault(set_points);
}

TEST(SetPoints, TheDefaultsWithABudgetAreUsable) {
  EXPECT_EQ(fault_after([](SetPoints&) {}), std::nullopt);
}

TEST(SetPoints, EveryModeIsUsable) {
  for (const Mode mode : {Mode::off, Mode::servo, Mode::quota}) {
    EXPECT_EQ(fault_after([mode](SetPoints& s) { s.mode = mode; }), std::nullopt);
  }
}

TEST(SetPoints, BoundsOfLayersMustBeNumbersThatTheBudgetFits) {
  const auto bounds_fault = [](std::vector<double> least, std::vector<double> most) {
    return fault_after([&](SetPoints& s) {
      s.layer_min_L = least;
      s.layer_max_L = most;
    });
  };

  EXPECT_EQ(bounds_fault({1, 2}, {6, 6}), std::nullopt);
  EXPECT_EQ(bounds_fault({6, 6}, {}), std::nullopt);
  EXPECT_EQ(bounds_fault({}, {12}), std::nullopt);
  EXPECT_THAT(bounds_fault({1, 2}, {6, 6, 6}),
              Optional(HasSubstr("0 layer costs, 2 layer_min and 3 layer_max")));
  EXPECT_THAT(bounds_fault({3, -1}, {9, 9}), Optional(HasSubstr("layer 1 may run from -1 to 9")));
  EXPECT_THAT(bounds_fault({3, 5}, {9, 4}), Optional(HasSubstr("layer 1 may run from 5 to 4")));
  EXPECT_THAT(bounds_fault({0}, {std::numeric_limits<double>::infinity()}),
              Optional(HasSubstr("must be finite")));
  EXPECT_THAT(bounds_fault({std::numeric_limits<double>::quiet_NaN()}, {}),
              Optional(HasSubstr("from nan")));
  EXPECT_THAT(bounds_fault({}, {5, 6}), Optional(HasSubstr("let through 0 to 11")));
  EXPECT_THAT(bounds_fault({7, 6}, {}), Optional(HasSubstr("let through 13 to any number")));
}

TEST(SetPoints, BoundsAreWeighedByCosts) {
  const auto fault = fault_after([](SetPoints& s) {
    s.layer_cost_L = {1.0, 4.0};
    s.layer_max_L = {4.0, 2.0};
  });
  EXPECT_EQ(fault, std::nullopt);  // 4 + 8 = 12

  EXPECT_THAT(fault_after([](SetPoints& s) {
                s.layer_cost_L = {1.0};
                s.layer_min_L = {1.0, 1.0};
              }),
              Optional(HasSubstr("1 layer costs, 2 layer_min")));
}

TEST(SetPoints, EachFaultIsNamedWithItsValue) {
  EXPECT_THAT(fault_after([](SetPoints& s) { s.budget = 0.0; }),
              Optional(HasSubstr("budget is 0 executions")));
  EXPECT_THAT(
      fault_after([](SetPoints& s) { s.budget = std::numeric_limits<double>::quiet_NaN(); }),
      Optional(HasSubstr("budget is nan")));
  EXPECT_THAT(fault_after([](SetPoints& s) { s.min_lambda = 9.0; }),
              Optional(HasSubstr("from 9 to 8")));
  EXPECT_THAT(fault_after([](SetPoints& s) { s.initial_lambda = -8.5; }),
              Optional(HasSubstr("starts at -8.5, outside its bounds [-8, 8]")));
  EXPECT_THAT(fault_after([](SetPoints& s) {
                s.layer_cost_L = {1.0, -2.0};
              }),
              Optional(HasSubstr("layer 1 costs -2")));
}

TEST(SetPoints, GainsThatAreUnstableAtTheirDelayAreRefused) {
  EXPECT_THAT(fault_after([](SetPoints& s) { s.gains.newton = 2.0; }),
              Optional(HasSubstr("newton 2 and debt 0.1 are unstable at a delay of 1")));
  EXPECT_THAT(
      fault_after([](SetPoints& s) { s.gains = {.delay = 2, .newton = 0.95, .debt = 0.1}; }),
      Optional(HasSubstr("unstable at a delay of 2; derived are 0.25 and 0.05")));
  EXPECT_THAT(fault_after([](SetPoints& s) { s.gains.delay = 4; }),
              Optional(HasSubstr("a delay of 4 steps")));
}

TEST(SetPoints, LimitsOfTheServoMustBePositive) {
  EXPECT_THAT(fault_after([](SetPoints& s) { s.gains.max_step = 0.0; }),
              Optional(HasSubstr("max_step 0")));
  EXPECT_THAT(fault_after([](SetPoints& s) { s.gains.gain_smoothing = 1.5; }),
              Optional(HasSubstr("gain_smoothing is 1.5")));
}

TEST(SetPoints, AFaultOfTheTemperatureIsOneOfTheirs) {
  EXPECT_THAT(fault_after([](SetPoints& s) { s.temperature.start = 0.0; }),
              Optional(HasSubstr("temperature goes from 0 to 1")));
}

}  // namespace
}  // namespace softmoe::budget
