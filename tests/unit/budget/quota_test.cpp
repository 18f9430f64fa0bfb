#include "budget/quota.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "runtime/base/errors.h"

namespace softmoe::budget {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

std::int64_t sum(const std::vector<std::int64_t>& rows) {
  return std::accumulate(rows.begin(), rows.end(), std::int64_t{0});
}

/// A demand that owns its lists.
struct Owned {
  double budget = 0.0;
  std::int64_t step = 0;
  std::int64_t tokens = 0;
  int floor = 1;
  std::vector<double> mean = {};
  std::vector<int> cap = {};
  std::vector<double> cost = {};
  std::vector<double> least = {};
  std::vector<double> most = {};

  [[nodiscard]] QuotaDemand demand() const {
    return {.budget = budget,
            .step = Step{step},
            .tokens = tokens,
            .floor = floor,
            .mean_L = mean,
            .cap_L = cap,
            .cost_L = cost,
            .least_L = least,
            .most_L = most};
  }
  [[nodiscard]] std::vector<std::int64_t> split() const { return split_quota(demand()).rows_L; }
};

/// Random means, caps that cover them, a budget between floors and caps.
Owned random_demand(std::mt19937_64& random) {
  std::uniform_real_distribution<double> unit;
  const auto layers = 1 + static_cast<std::size_t>(random() % 12);
  Owned owned{.step = static_cast<std::int64_t>(random() % 1000),
              .tokens = 1 + static_cast<std::int64_t>(random() % 500),
              .floor = static_cast<int>(random() % 2)};
  double most = 0.0;
  for (std::size_t layer = 0; layer < layers; ++layer) {
    owned.mean.push_back(0.3 + 4.0 * unit(random));
    owned.cap.push_back(1 + static_cast<int>(random() % 9));
    most += owned.cap.back();
  }
  const double least = static_cast<double>(layers) * owned.floor;
  owned.budget =
      std::max(least + (most - least) * unit(random), 1.5 / static_cast<double>(owned.tokens));
  return owned;
}

TEST(QuotaOfStep, TelescopesToWithinOneRowOfTheBudget) {
  for (const double budget : {1.0, 4.1, 12.0, 7.0 / 3, 0.013, 1e-4}) {
    std::int64_t spent = 0;
    for (std::int64_t step = 0; step < 2000; ++step) {
      spent += quota_of_step(budget, Step{step}, 1000);
      const double granted = budget * 1000.0 * static_cast<double>(step + 1);
      ASSERT_LE(static_cast<double>(spent), granted * (1 + 1e-15)) << budget << " " << step;
      ASSERT_GT(static_cast<double>(spent), granted - 1.0 - 1e-9 * granted)
          << budget << " " << step;
    }
  }
}

TEST(QuotaOfStep, IsTheSameEveryStepForAWholeNumberOfRows) {
  EXPECT_EQ(quota_of_step(4.0, Step{0}, 1024), 4096);
  EXPECT_EQ(quota_of_step(4.0, Step{123'456'789}, 1024), 4096);
  EXPECT_EQ(quota_of_step(2.5, Step{0}, 3), 7);
  EXPECT_EQ(quota_of_step(2.5, Step{1}, 3), 8);
}

TEST(QuotaOfStep, NeedsNoMemoryWhenTheBudgetChanges) {
  EXPECT_EQ(quota_of_step(3.25, Step{7}, 2), quota_of_step(3.25, Step{7}, 2));
  EXPECT_EQ(quota_of_step(5.0, Step{8}, 2), 10);  // whatever was before
}

TEST(QuotaOfStep, RefusesWhatIsNoNumberOfRows) {
  EXPECT_THAT([] { (void)quota_of_step(0.0, Step{0}, 8); },
              ThrowsMessage<InvalidArgument>(HasSubstr("a budget of 0 over 8 tokens")));
  EXPECT_THROW((void)quota_of_step(NAN, Step{0}, 8), InvalidArgument);
  EXPECT_THROW((void)quota_of_step(1e9, Step{std::int64_t{1} << 40}, 8), InvalidArgument);
}

TEST(QuotaSplit, IsProportionalToTheMeans) {
  const Owned owned{.budget = 12.0, .tokens = 100, .mean = {1.0, 2.0, 3.0}, .cap = {8, 8, 8}};

  EXPECT_THAT(owned.split(), ElementsAre(200, 400, 600));
}

TEST(QuotaSplit, GivesTheLastRowsByLargestRemainder) {
  // 10 rows in proportion 1 : 1.3 : 1.9 are 2.38, 3.10 and 4.52.
  const Owned owned{.budget = 10.0, .tokens = 1, .mean = {1.0, 1.3, 1.9}, .cap = {8, 8, 8}};

  EXPECT_THAT(owned.split(), ElementsAre(2, 3, 5));
}

TEST(QuotaSplit, FillsUpWhereABoundHoldsALayer) {
  // Layer 2 may run 2 per token; the other 10 - 2 go 1 : 3, but layer 0 has a floor of 3.
  const Owned owned{.budget = 10.0,
                    .tokens = 10,
                    .mean = {1.0, 3.0, 4.0},
                    .cap = {8, 8, 2},
                    .least = {3.0, 0.0, 0.0}};

  EXPECT_THAT(owned.split(), ElementsAre(30, 50, 20));
}

TEST(QuotaSplit, LetsFloorAndCapStandAboveALayersOwnBounds) {
  const Owned owned{.budget = 5.0,
                    .tokens = 10,
                    .mean = {1.0, 1.0},
                    .cap = {2, 8},
                    .least = {3.0, 0.0},
                    .most = {6.0, 0.5}};

  // Layer 0 asks for 3 under a cap of 2, layer 1 for at most a half above a floor of 1: 20 and 10
  // rows are all that is left.
  EXPECT_THAT(owned.split(), ElementsAre(20, 10));
}

TEST(QuotaSplit, MovesAQuotaThatTheBoundsDoNotLetThrough) {
  Owned owned{.budget = 1.0, .tokens = 10, .mean = {1.0, 1.0}, .cap = {3, 4}};
  EXPECT_THAT(owned.split(), ElementsAre(10, 10));
  owned.budget = 9.0;
  EXPECT_THAT(owned.split(), ElementsAre(30, 40));
}

TEST(QuotaSplit, HoldsItsLawsForRandomDemands) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 3000; ++round) {
    const Owned owned = random_demand(random);
    const QuotaSplit split = split_quota(owned.demand());
    std::int64_t least = 0;
    std::int64_t most = 0;
    for (std::size_t layer = 0; layer < owned.mean.size(); ++layer) {
      const std::int64_t rows = split.rows_L[layer];
      ASSERT_GE(rows, owned.floor * owned.tokens);
      ASSERT_LE(rows, owned.cap[layer] * owned.tokens);
      ASSERT_LT(std::abs(static_cast<double>(rows) - split.share_L[layer]), 1.0 + 1e-6);
      least += owned.floor * owned.tokens;
      most += owned.cap[layer] * owned.tokens;
    }
    const std::int64_t quota = quota_of_step(owned.budget, Step{owned.step}, owned.tokens);
    ASSERT_EQ(sum(split.rows_L), std::clamp(quota, least, most)) << "round " << round;
  }
}

TEST(QuotaSplit, GivesALargerMeanNoFewerRows) {
  std::mt19937_64 random(8);
  for (int round = 0; round < 1000; ++round) {
    Owned owned = random_demand(random);
    owned.cap.assign(owned.mean.size(), 6);
    owned.budget = std::clamp(owned.budget, static_cast<double>(owned.mean.size()),
                              5.5 * static_cast<double>(owned.mean.size()));
    std::sort(owned.mean.begin(), owned.mean.end());

    const std::vector<std::int64_t> rows = owned.split();

    ASSERT_TRUE(std::is_sorted(rows.begin(), rows.end())) << "round " << round;
  }
}

TEST(QuotaSplit, SharesRiseWithTheBudget) {
  std::mt19937_64 random(9);
  for (int round = 0; round < 300; ++round) {
    Owned owned = random_demand(random);
    const std::vector<double> before = split_quota(owned.demand()).share_L;
    owned.budget *= 1.1;
    const std::vector<double> after = split_quota(owned.demand()).share_L;
    for (std::size_t layer = 0; layer < before.size(); ++layer) {
      ASSERT_GE(after[layer], before[layer] * (1 - 1e-12));
    }
  }
}

TEST(QuotaSplit, DoesNotDependOnTheOrderOfDifferentLayers) {
  Owned owned{.budget = 9.7,
              .tokens = 37,
              .mean = {1.1, 2.3, 0.7, 3.1},
              .cap = {4, 9, 2, 5},
              .least = {0.0, 2.5, 0.0, 0.0},
              .most = {4.0, 9.0, 1.5, 3.5}};
  const std::vector<std::int64_t> rows = owned.split();
  std::vector<std::size_t> order = {0, 1, 2, 3};
  while (std::next_permutation(order.begin(), order.end())) {
    Owned moved = owned;
    for (std::size_t i = 0; i < order.size(); ++i) {
      moved.mean[i] = owned.mean[order[i]];
      moved.cap[i] = owned.cap[order[i]];
      moved.least[i] = owned.least[order[i]];
      moved.most[i] = owned.most[order[i]];
    }
    const std::vector<std::int64_t> moved_rows = moved.split();
    for (std::size_t i = 0; i < order.size(); ++i) EXPECT_EQ(moved_rows[i], rows[order[i]]);
  }
}

TEST(QuotaSplit, LetsEqualLayersTakeTurns) {
  Owned owned{.budget = 7.0, .tokens = 1, .mean = {2.0, 2.0, 2.0}, .cap = {8, 8, 8}};
  std::vector<std::int64_t> total(3);
  for (owned.step = 0; owned.step < 9; ++owned.step) {
    const std::vector<std::int64_t> rows = owned.split();
    EXPECT_THAT(rows, testing::UnorderedElementsAre(2, 2, 3));
    for (std::size_t layer = 0; layer < 3; ++layer) total[layer] += rows[layer];
  }

  EXPECT_THAT(total, ElementsAre(21, 21, 21));
}

TEST(QuotaSplit, SpendsUnequalCostsAsFarAsWholeRowsGo) {
  std::mt19937_64 random(10);
  std::uniform_real_distribution<double> unit;
  for (int round = 0; round < 2000; ++round) {
    Owned owned = random_demand(random);
    double least = 0.0;
    double most = 0.0;
    for (const int cap : owned.cap) {
      owned.cost.push_back(0.2 + 3.0 * unit(random));
      least += owned.cost.back() * owned.floor;
      most += owned.cost.back() * cap;
    }
    owned.budget = std::max(least + (most - least) * unit(random), 1.0);
    const auto tokens = static_cast<double>(owned.tokens);
    const double quota =
        std::clamp(static_cast<double>(quota_of_step(owned.budget, Step{owned.step}, owned.tokens)),
                   least * tokens, most * tokens);

    const std::vector<std::int64_t> rows = owned.split();

    double spent = 0.0;
    for (std::size_t layer = 0; layer < rows.size(); ++layer) {
      spent += owned.cost[layer] * static_cast<double>(rows[layer]);
    }
    ASSERT_LE(spent, quota * (1 + 1e-12)) << "round " << round;
    for (std::size_t layer = 0; layer < rows.size(); ++layer) {
      const bool has_room = rows[layer] < owned.cap[layer] * owned.tokens;
      if (has_room) {
        ASSERT_GT(spent + owned.cost[layer], quota * (1 - 1e-12)) << "round " << round;
      }
    }
  }
}

TEST(QuotaSplit, GivesNothingToAStepWithoutTokens) {
  const Owned owned{.budget = 4.0, .tokens = 0, .mean = {1.0, 1.0}, .cap = {4, 4}};

  EXPECT_THAT(owned.split(), ElementsAre(0, 0));
}

TEST(QuotaSplit, RefusesListsThatDoNotFit) {
  Owned owned{.budget = 4.0, .tokens = 8, .mean = {1.0, 1.0}, .cap = {4}};
  EXPECT_THAT([&] { (void)owned.split(); },
              ThrowsMessage<InvalidArgument>(HasSubstr("1 caps for the means of 2 layers")));
  owned.cap = {4, 0};
  EXPECT_THAT([&] { (void)owned.split(); },
              ThrowsMessage<InvalidArgument>(HasSubstr("layer 1 has mean 1, cost 1, cap 0")));
  owned.cap = {4, 4};
  owned.cost = {1.0, 0.0};
  EXPECT_THAT([&] { (void)owned.split(); }, ThrowsMessage<InvalidArgument>(HasSubstr("cost 0")));
}

TEST(LaneQuota, SharesARestInTurns) {
  std::vector<std::int64_t> total(4);
  for (std::int64_t step = 0; step < 8; ++step) {
    std::int64_t rows = 0;
    for (int lane = 0; lane < 4; ++lane) {
      const std::int64_t here =
          lane_quota(42, {.lane = lane, .num_lanes = 4, .layer = 3, .step = Step{step}});
      EXPECT_TRUE(here == 10 || here == 11);
      rows += here;
      total[static_cast<std::size_t>(lane)] += here;
    }
    EXPECT_EQ(rows, 42);
  }

  EXPECT_THAT(total, ElementsAre(84, 84, 84, 84));
}

TEST(LaneQuota, KeepsEveryLaneWithinFloorAndCap) {
  for (std::int64_t rows = 3 * 16; rows <= 3 * 16 * 5; ++rows) {
    for (int lane = 0; lane < 3; ++lane) {
      const std::int64_t here =
          lane_quota(rows, {.lane = lane, .num_lanes = 3, .layer = 1, .step = Step{rows}});
      EXPECT_GE(here, 16);
      EXPECT_LE(here, 16 * 5);
    }
  }
}

TEST(LaneQuota, GivesNothingToALaneThatDoesNotExist) {
  EXPECT_EQ(lane_quota(100, {.lane = 3, .num_lanes = 3, .layer = 0, .step = Step{0}}), 0);
}

}  // namespace
}  // namespace softmoe::budget
