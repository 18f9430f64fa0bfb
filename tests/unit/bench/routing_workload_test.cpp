#include "bench/routing_workload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "experts/place_by_load.h"
#include "runtime/base/errors.h"

namespace softmoe::bench {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

std::vector<WorkloadCase> all_cases() {
  std::vector<WorkloadCase> cases;
  for (int workload = 0; workload < kNumWorkloads; ++workload) {
    for (const auto& [ranks, experts, mean] :
         {std::tuple{1, 8, 2.0}, {2, 8, 2.0}, {4, 16, 2.25}, {2, 64, 4.0}, {1, 8, 1.3}}) {
      for (const std::int64_t step : {0, 3}) {
        cases.push_back({.workload = static_cast<Workload>(workload),
                         .num_ranks = ranks,
                         .num_tokens = 97,
                         .num_experts = experts,
                         .mean_experts = mean,
                         .seed = 5,
                         .step = step});
      }
    }
  }
  return cases;
}

std::int64_t sum(const std::vector<std::int64_t>& numbers) {
  return std::accumulate(numbers.begin(), numbers.end(), std::int64_t{0});
}

std::vector<std::int64_t> counted(const TokenExperts& choices, int num_experts) {
  std::vector<std::int64_t> count_E(static_cast<std::size_t>(num_experts));
  for (const std::int32_t expert : choices.expert_N) ++count_E[static_cast<std::size_t>(expert)];
  return count_E;
}

WorkloadCase two_ranks(Workload workload) {
  return {
      .workload = workload, .num_ranks = 2, .num_tokens = 80, .num_experts = 8, .mean_experts = 2};
}

TEST(RoutingWorkload, ChoicesGiveExactlyWhatTheOracleSays) {
  for (const WorkloadCase& of : all_cases()) {
    for (int rank = 0; rank < of.num_ranks; ++rank) {
      EXPECT_EQ(counted(choose_experts(of, rank), of.num_experts), rows_per_expert(of, rank))
          << name_of(of.workload) << ", " << of.num_experts << " experts, rank " << rank;
    }
  }
}

TEST(RoutingWorkload, EveryTokenRunsRisingExpertsOnce) {
  for (const WorkloadCase& of : all_cases()) {
    const TokenExperts choices = choose_experts(of, of.num_ranks - 1);

    ASSERT_EQ(choices.row_begin_T1.size(), 98u);
    for (std::size_t token = 0; token + 1 < choices.row_begin_T1.size(); ++token) {
      const auto begin = choices.expert_N.begin() + choices.row_begin_T1[token];
      const auto end = choices.expert_N.begin() + choices.row_begin_T1[token + 1];
      EXPECT_EQ(std::adjacent_find(begin, end, std::greater_equal<>()), end)
          << name_of(of.workload) << ", token " << token;
    }
  }
}

TEST(RoutingWorkload, RowsPerTokenAreTheMeanAskedFor) {
  for (const WorkloadCase& of : all_cases()) {
    EXPECT_EQ(sum(rows_per_expert(of)), std::llround(of.mean_experts * 97 * of.num_ranks))
        << name_of(of.workload);
  }
}

TEST(RoutingWorkload, TokensRunUnequalNumbersOfExperts) {
  for (int workload = 0; workload < kNumWorkloads; ++workload) {
    const TokenExperts choices = choose_experts(two_ranks(static_cast<Workload>(workload)), 0);

    std::set<std::int32_t> numbers;
    for (std::size_t token = 0; token + 1 < choices.row_begin_T1.size(); ++token)
      numbers.insert(choices.row_begin_T1[token + 1] - choices.row_begin_T1[token]);
    EXPECT_GE(numbers.size(), 2u) << "W" << workload;
  }
}

TEST(RoutingWorkload, TokensDifferNoMoreThanAHotExpertAllows) {
  // Expert 0 has 90 of each rank's 120 rows over 100 tokens: no more than 10 may run none.
  const WorkloadCase of{.workload = Workload::hot_rank,
                        .num_ranks = 2,
                        .num_tokens = 100,
                        .num_experts = 2,
                        .mean_experts = 1.2};

  const TokenExperts choices = choose_experts(of, 0);

  EXPECT_THAT(counted(choices, 2), ElementsAre(90, 30));
  int none = 0;
  for (std::size_t token = 0; token < 100; ++token)
    none += choices.row_begin_T1[token] == choices.row_begin_T1[token + 1] ? 1 : 0;
  EXPECT_EQ(none, 10);
}

TEST(RoutingWorkload, IsTheSameEveryTimeAndAnotherOneForAnotherBatch) {
  WorkloadCase of = two_ranks(Workload::hot_experts);
  const TokenExperts first = choose_experts(of, 1);

  EXPECT_EQ(choose_experts(of, 1).expert_N, first.expert_N);
  of.batch = 1;
  EXPECT_NE(choose_experts(of, 1).expert_N, first.expert_N);
  EXPECT_EQ(rows_per_expert(of, 1), counted(first, 8));
}

// 80 tokens on each of two ranks, two experts each: 320 rows; 40 of each expert in balance.
TEST(RoutingWorkload, BalancedIsBalanced) {
  EXPECT_THAT(rows_per_expert(two_ranks(Workload::balanced)), Each(40));
}

TEST(RoutingWorkload, OneHotExpertOfEightGetsHalfOfTheRows) {
  std::vector<std::int64_t> row_E = rows_per_expert(two_ranks(Workload::hot_experts));

  std::sort(row_E.begin(), row_E.end());
  EXPECT_EQ(row_E.back(), 160);  // all tokens
  EXPECT_EQ(row_E[6], 24);       // 160 / 7, rounded up on both ranks
}

TEST(RoutingWorkload, TheHotRankGetsThreeQuartersOfTwo) {
  EXPECT_THAT(rows_per_expert(two_ranks(Workload::hot_rank)),
              ElementsAre(60, 60, 60, 60, 20, 20, 20, 20));
}

TEST(RoutingWorkload, SpreadHeatIsEvenOverRanksAndUnevenOverExperts) {
  const auto row_E = rows_per_expert(two_ranks(Workload::spread_heat));

  EXPECT_NEAR(skew_of(row_E, 2).ranks, 1, 0.02);   // thirds of rows go to the first experts
  EXPECT_DOUBLE_EQ(skew_of(row_E, 2).experts, 2);  // 80 rows of 40
  EXPECT_EQ(std::count(row_E.begin(), row_E.begin() + 4, 80), 1);
}

TEST(RoutingWorkload, RaggedSourcesDifferInRowsOnly) {
  const WorkloadCase of = two_ranks(Workload::ragged_sources);

  EXPECT_THAT(rows_per_expert(of, 0), Each(10));
  EXPECT_THAT(rows_per_expert(of, 1), Each(30));
}

TEST(RoutingWorkload, IdleExpertsAndAnIdleRankGetNothing) {
  // Rank 0 has experts 0 to 3; the fourth is idle, and 160 rows fill two of the others' 80 tokens.
  const auto row_E = rows_per_expert(two_ranks(Workload::idle_experts), 0);

  EXPECT_THAT(row_E, ElementsAre(54, 53, 53, 0, 0, 0, 0, 0));
}

TEST(RoutingWorkload, TheHotspotComesToEveryExpertInTurn) {
  WorkloadCase of = two_ranks(Workload::rotating_hotspot);
  for (of.step = 0; of.step < 16; ++of.step) {
    const auto row_E = rows_per_expert(of);
    EXPECT_EQ(std::max_element(row_E.begin(), row_E.end()) - row_E.begin(), of.step % 8);
  }
}

TEST(RoutingWorkload, BurstsComeInEveryFourthStep) {
  WorkloadCase of = two_ranks(Workload::burst);
  for (of.step = 0; of.step < 8; ++of.step) {
    const bool is_burst = of.step % 4 == 3;
    EXPECT_EQ(skew_of(rows_per_expert(of), 2).experts > 1, is_burst) << "step " << of.step;
  }
}

TEST(RoutingWorkload, NamesAreReadBack) {
  for (int i = 0; i < kNumWorkloads; ++i)
    EXPECT_EQ(workload_named(name_of(static_cast<Workload>(i))), static_cast<Workload>(i));
  EXPECT_EQ(workload_named("W8"), std::nullopt);
  EXPECT_EQ(workload_named("natural"), std::nullopt);
}

TEST(RoutingWorkload, FullExpertsLeaveTheRestToTheOthers) {
  // Half of 6 rows per token is more than one expert can take from 10 tokens.
  const auto row_E = rows_per_expert(
      {.workload = Workload::hot_experts, .num_tokens = 10, .num_experts = 8, .mean_experts = 6},
      0);

  EXPECT_EQ(*std::max_element(row_E.begin(), row_E.end()), 10);
  EXPECT_EQ(sum(row_E), 60);
}

TEST(RoutingWorkload, RefusesWhatDoesNotFit) {
  WorkloadCase of = two_ranks(Workload::idle_experts);
  of.mean_experts = 4;  // three experts are left
  EXPECT_THAT([&] { static_cast<void>(rows_per_expert(of, 0)); },
              ThrowsMessage<ConfigError>(HasSubstr("320 rows of 80 tokens do not fit into 3")));
  of.num_ranks = 3;
  EXPECT_THROW(static_cast<void>(rows_per_expert(of, 0)), InvalidArgument);
}

TEST(RoutingWorkload, NoTokensHaveNoRows) {
  WorkloadCase of = two_ranks(Workload::hot_experts);
  of.num_tokens = 0;

  EXPECT_THAT(choose_experts(of, 0).row_begin_T1, ElementsAre(0));
  EXPECT_THAT(rows_per_expert(of), Each(0));
}

TEST(RoutingWorkload, PlacementByLoadTakesTheHeatOffTheHotRank) {
  const WorkloadCase of = two_ranks(Workload::hot_rank);
  const auto load_E = rows_per_expert(of);
  const auto slot_E = experts::place_by_load(load_E, 2);

  std::vector<std::int64_t> placed_E(8);
  for (int rank = 0; rank < 2; ++rank) {
    const auto count_E = counted(relabelled(choose_experts(of, rank), slot_E), 8);
    for (std::size_t expert = 0; expert < 8; ++expert) placed_E[expert] += count_E[expert];
  }

  EXPECT_DOUBLE_EQ(skew_of(load_E, 2).ranks, 1.5);
  EXPECT_DOUBLE_EQ(skew_of(placed_E, 2).ranks, 1);
  EXPECT_DOUBLE_EQ(skew_of(placed_E, 2).experts, skew_of(load_E, 2).experts);
}

TEST(RoutingWorkload, RelabelledExpertsStillRiseWithinAToken) {
  const TokenExperts renamed =
      relabelled({.row_begin_T1 = {0, 2, 3}, .expert_N = {0, 2, 1}}, std::vector<int>{2, 0, 1});

  EXPECT_THAT(renamed.expert_N, ElementsAre(1, 2, 0));
}

}  // namespace
}  // namespace softmoe::bench
