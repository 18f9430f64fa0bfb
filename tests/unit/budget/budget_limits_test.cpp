#include "budget/budget_limits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace softmoe::budget {
namespace {

using ::testing::HasSubstr;
using ::testing::Optional;

constexpr ExecutionRange kSixLayers{.num_layers = 6, .floor = 1, .cap_sum = 24.0};
constexpr SimplexRange kEightExperts{.num_layers = 6, .num_experts = 8, .cap = 4};

TEST(BudgetLimits, ABudgetFromTheFloorToTheCapsIsAccepted) {
  EXPECT_EQ(refuse_budget(6.0, kSixLayers), std::nullopt);
  EXPECT_EQ(refuse_budget(12.5, kSixLayers), std::nullopt);
  EXPECT_EQ(refuse_budget(24.0, kSixLayers), std::nullopt);
}

TEST(BudgetLimits, ABudgetBelowTheFloorNamesTheLeast) {
  EXPECT_THAT(refuse_budget(5.9, kSixLayers), Optional(HasSubstr("give at least 6")));
}

TEST(BudgetLimits, WithoutAFloorASmallBudgetIsAcceptedButNotNone) {
  const ExecutionRange no_floor{.num_layers = 6, .floor = 0, .cap_sum = 24.0};

  EXPECT_EQ(refuse_budget(0.5, no_floor), std::nullopt);
  EXPECT_THAT(refuse_budget(0.0, no_floor), Optional(HasSubstr("runs nothing")));
  EXPECT_THAT(refuse_budget(std::numeric_limits<double>::quiet_NaN(), no_floor),
              Optional(HasSubstr("nan")));
}

TEST(BudgetLimits, ABudgetAboveTheCapsNamesTheMost) {
  EXPECT_THAT(refuse_budget(24.5, kSixLayers), Optional(HasSubstr("give at most 24")));
}

TEST(BudgetLimits, BoundsOfLayersInsideFloorAndCapAreAccepted) {
  const std::vector<double> least = {1.0, 2.0};
  const std::vector<double> most = {3.0, 4.0};
  const LayerBounds bounds{
      .num_layers = 2, .floor = 1, .cap = 4.0, .least_L = least, .most_L = most};

  EXPECT_EQ(refuse_layer_bounds(3.0, bounds), std::nullopt);
  EXPECT_EQ(refuse_layer_bounds(7.0, bounds), std::nullopt);
  EXPECT_THAT(refuse_layer_bounds(2.9, bounds), Optional(HasSubstr("outside of the 3 to 7")));
  EXPECT_THAT(refuse_layer_bounds(7.1, bounds), Optional(HasSubstr("outside of the 3 to 7")));
}

TEST(BudgetLimits, BoundsThatNoLayerCanKeepNameItsFloorAndCap) {
  const std::vector<double> least = {1.0, 5.0};
  const std::vector<double> most = {3.0, 0.5};

  EXPECT_THAT(refuse_layer_bounds(4.0, {.num_layers = 2, .floor = 1, .cap = 4.0, .least_L = least}),
              Optional(HasSubstr("layer 1 may run from 5 to 4 executions per token")));
  EXPECT_THAT(refuse_layer_bounds(4.0, {.num_layers = 2, .floor = 1, .cap = 4.0, .most_L = most}),
              Optional(HasSubstr("its floor is 1")));
  EXPECT_THAT(refuse_layer_bounds(4.0, {.num_layers = 3, .floor = 1, .cap = 4.0, .most_L = most}),
              Optional(HasSubstr("3 layers with experts have 0 costs, 0 layer_min and 2")));
}

TEST(BudgetLimits, BoundsOfLayersAreWeighedByCosts) {
  const std::vector<double> most = {3.0, 2.0};
  const std::vector<double> cost = {1.0, 10.0};
  const LayerBounds bounds{.num_layers = 2, .floor = 1, .cap = 4.0, .cost_L = cost, .most_L = most};

  EXPECT_EQ(refuse_layer_bounds(23.0, bounds), std::nullopt);
  EXPECT_THAT(refuse_layer_bounds(10.0, bounds), Optional(HasSubstr("outside of the 11 to 23")));
}

TEST(BudgetLimits, ASoftMassThatOneLayerCouldTakeIsAccepted) {
  EXPECT_EQ(refuse_soft_mass(6.0, kEightExperts), std::nullopt);
  EXPECT_EQ(refuse_soft_mass(9.0, kEightExperts), std::nullopt);
}

TEST(BudgetLimits, ASoftMassThatOneLayerCouldNotTakeNamesTheMost) {
  const auto message = refuse_soft_mass(12.0, kEightExperts);

  EXPECT_THAT(message, Optional(HasSubstr("1 + K - L = 7, more than min(experts 8, cap 4) = 4")));
  EXPECT_THAT(message, Optional(HasSubstr("give at most 9")));
}

TEST(BudgetLimits, TheExpertsBoundTheSoftMassWhereTheyAreFewerThanTheCap) {
  const SimplexRange few_experts{.num_layers = 6, .num_experts = 2, .cap = 4};

  EXPECT_EQ(refuse_soft_mass(7.0, few_experts), std::nullopt);
  EXPECT_THAT(refuse_soft_mass(7.5, few_experts), Optional(HasSubstr("give at most 7")));
}

TEST(BudgetLimits, ASoftMassBelowOnePerLayerIsRefused) {
  EXPECT_THAT(refuse_soft_mass(5.5, kEightExperts), Optional(HasSubstr("give 6 to 9")));
}

}  // namespace
}  // namespace softmoe::budget
