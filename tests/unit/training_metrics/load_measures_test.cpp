#include "training/load_measures.h"

#include <gmock/gmock.h>

#include <cmath>

#include "runtime/base/errors.h"

namespace softmoe::training {
namespace {

using testing::ElementsAre;

using Loads = std::vector<std::int64_t>;

struct Measured {
  LoadMeasures measures;
  std::vector<int> order;
};

Measured measure(const Loads& loads) {
  std::vector<RankedLoad> ranking(loads.size());
  Measured measured{.measures = measure_loads(loads, ranking)};
  for (const RankedLoad& ranked : ranking) {
    EXPECT_EQ(ranked.load, loads[static_cast<std::size_t>(ranked.expert)]);
    measured.order.push_back(ranked.expert);
  }
  return measured;
}

TEST(LoadMeasures, OfEqualLoadsSayBalance) {
  const LoadMeasures measures = measure({7, 7, 7, 7}).measures;

  EXPECT_DOUBLE_EQ(measures.imbalance, 1);
  EXPECT_DOUBLE_EQ(measures.cv, 0);
  EXPECT_DOUBLE_EQ(measures.entropy_ratio, 1);
  EXPECT_DOUBLE_EQ(measures.gini, 0);
  EXPECT_EQ(measures.dead, 0);
}

TEST(LoadMeasures, OfOneExpertThatRunsAllAreTheWorst) {
  const LoadMeasures measures = measure({0, 0, 12, 0}).measures;

  EXPECT_DOUBLE_EQ(measures.imbalance, 4);
  EXPECT_DOUBLE_EQ(measures.cv, std::sqrt(3.0));  // ((9)^2 + 3 * 3^2) / 4 = 27, over 3
  EXPECT_DOUBLE_EQ(measures.entropy_ratio, 0);
  EXPECT_DOUBLE_EQ(measures.gini, 0.75);  // 1 - 1 / E
  EXPECT_EQ(measures.dead, 3);
}

TEST(LoadMeasures, AgreeWithHandMadeNumbers) {
  const LoadMeasures measures = measure({1, 3, 0, 4}).measures;

  EXPECT_DOUBLE_EQ(measures.imbalance, 2);
  EXPECT_DOUBLE_EQ(measures.cv, std::sqrt(2.5) / 2);  // squares 1 + 1 + 4 + 4 over 4
  const double entropy = -(0.125 * std::log(0.125) + 0.375 * std::log(0.375) + 0.5 * std::log(0.5));
  EXPECT_DOUBLE_EQ(measures.entropy_ratio, entropy / std::log(4.0));
  // Rising: 0, 1, 3, 4 with weights -3, -1, 1, 3, over 4 * 8.
  EXPECT_DOUBLE_EQ(measures.gini, 14.0 / 32);
  EXPECT_EQ(measures.dead, 1);
}

TEST(LoadMeasures, DoNotDependOnTheOrderOrTheScaleOfLoads) {
  const LoadMeasures one = measure({5, 1, 9, 2, 9, 0}).measures;
  const LoadMeasures other = measure({0, 90, 50, 90, 10, 20}).measures;

  EXPECT_DOUBLE_EQ(one.imbalance, other.imbalance);
  EXPECT_DOUBLE_EQ(one.cv, other.cv);
  EXPECT_NEAR(one.entropy_ratio, other.entropy_ratio, 1e-14);
  EXPECT_DOUBLE_EQ(one.gini, other.gini);
}

TEST(LoadMeasures, AreZeroWhereNothingRan) {
  const LoadMeasures measures = measure({0, 0, 0}).measures;

  EXPECT_EQ(measures.imbalance, 0);
  EXPECT_EQ(measures.cv, 0);
  EXPECT_EQ(measures.entropy_ratio, 0);
  EXPECT_EQ(measures.gini, 0);
  EXPECT_EQ(measures.dead, 3);
}

TEST(LoadMeasures, KnowOnlyBalanceOfOneExpert) {
  const LoadMeasures measures = measure({5}).measures;

  EXPECT_DOUBLE_EQ(measures.imbalance, 1);
  EXPECT_DOUBLE_EQ(measures.entropy_ratio, 1);
  EXPECT_DOUBLE_EQ(measures.gini, 0);
}

TEST(LoadMeasures, OrderExpertsByFallingLoadAndEqualOnesByIndex) {
  EXPECT_THAT(measure({3, 8, 3, 0, 8}).order, ElementsAre(1, 4, 0, 2, 3));
}

TEST(RankImbalance, AddsUpNeighbours) {
  const Loads loads = {1, 3, 4, 0, 2, 2};

  EXPECT_DOUBLE_EQ(rank_imbalance(loads, 1), 1);
  EXPECT_DOUBLE_EQ(rank_imbalance(loads, 2), 8.0 / 6);  // 8 and 4
  EXPECT_DOUBLE_EQ(rank_imbalance(loads, 3), 1);        // 4 each, though experts differ
  EXPECT_DOUBLE_EQ(rank_imbalance(loads, 6), 2);
}

TEST(RankImbalance, IsZeroWhereNothingRan) {
  EXPECT_EQ(rank_imbalance(Loads{0, 0}, 2), 0);
}

TEST(RankImbalance, RefusesRanksThatDoNotDivideTheExperts) {
  EXPECT_THROW((void)rank_imbalance(Loads{1, 2, 3}, 2), InvalidArgument);
}

TEST(ExpertsQuantile, IsTheSmallestNumberThatTheShareDoesNotExceed) {
  const Loads tokens = {0, 1, 9, 9, 1};

  EXPECT_EQ(experts_quantile(tokens, 0.05), 1);
  EXPECT_EQ(experts_quantile(tokens, 0.051), 2);
  EXPECT_EQ(experts_quantile(tokens, 0.5), 2);
  EXPECT_EQ(experts_quantile(tokens, 0.95), 3);
  EXPECT_EQ(experts_quantile(tokens, 1), 4);
}

TEST(ExpertsQuantile, OfTokensThatAllRanTheSameIsThatNumber) {
  for (const double share : {0.05, 0.5, 0.95, 1.0}) {
    EXPECT_EQ(experts_quantile(Loads{0, 0, 16, 0}, share), 2);
  }
}

TEST(ExpertsQuantile, IsZeroWithoutTokens) {
  EXPECT_EQ(experts_quantile(Loads{0, 0, 0}, 0.5), 0);
}

}  // namespace
}  // namespace softmoe::training
