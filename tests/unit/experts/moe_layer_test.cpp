// The layer on P ranks is the layer on one. Letters: T tokens, H hidden, E experts, P ranks.

#include "experts/moe_layer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "tests/support/local_world.h"
#include "tests/support/near.h"
#include "tests/unit/experts/moe_case.h"
#include "tests/unit/experts/naive_expert.h"

namespace softmoe::test {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::Each;
using testing::Ge;

/// Runs the case on its ranks and on one, and returns what its ranks did.
MoeOutcome expect_same_as_alone(const MoeCase& of) {
  // In bf16 too what is summed over ranks, the router's gradients, is fp32.
  const Tolerance tolerance = of.dtype == DType::f64 ? kF64Rounding : kF32Sums;
  const MoeOutcome alone = run_moe(of.alone());

  MoeOutcome spread = run_moe(of);

  expect_same_outcome(spread, alone, tolerance);
  return spread;
}

/// y_t += sum over the plan's experts of gate * expert(x_t), by loops.
std::vector<double> naive_layer(const MoeCase& of, const MoeOutcome& plan) {
  const MoeNumbers numbers(of);
  const auto part = [](const std::vector<double>& values, std::int64_t index, std::int64_t size) {
    return std::span(values).subspan(static_cast<std::size_t>(index * size),
                                     static_cast<std::size_t>(size));
  };
  std::vector<double> y_TH = numbers.before_TH;
  std::size_t row = 0;
  for (std::int64_t t = 0; t < of.tokens(); ++t) {
    for (int i = 0; i < plan.experts_run_T[static_cast<std::size_t>(t)]; ++i, ++row) {
      const std::int64_t expert = plan.expert_N[row];
      const std::vector<double> y_H =
          naive_expert({.gate_up_2FH = part(numbers.gate_up_E2FH, expert, 2 * of.inner * of.hidden),
                        .down_HF = part(numbers.down_EHF, expert, of.hidden * of.inner)},
                       part(numbers.x_TH, t, of.hidden), plan.gate_N[row]);
      for (std::int64_t h = 0; h < of.hidden; ++h) {
        y_TH[static_cast<std::size_t>(t * of.hidden + h)] += y_H[static_cast<std::size_t>(h)];
      }
    }
  }
  return y_TH;
}

double cosine(const std::vector<double>& a, const std::vector<double>& b) {
  const auto dot = [](const std::vector<double>& x, const std::vector<double>& y) {
    return std::inner_product(x.begin(), x.end(), y.begin(), 0.0);
  };
  return dot(a, b) / std::sqrt(dot(a, a) * dot(b, b));
}

/// Every token runs every expert.
router::RouterConfig all_experts(int num_experts) {
  return {.threshold = 1e-9, .cap_factor = static_cast<double>(num_experts)};
}

std::int64_t rows_received(const MoeOutcome& outcome, int rank) {
  return outcome.traffic_P[static_cast<std::size_t>(rank)].rows_received;
}

TEST(MoeLayer, AddsTheGatedExpertsOfEveryToken) {
  const MoeCase alone{.tokens_P = {23}};

  const MoeOutcome outcome = run_moe(alone);

  EXPECT_TRUE(near(outcome.y_TH, naive_layer(alone, outcome), kF64Rounding));
  EXPECT_THAT(outcome.experts_run_T, AllOf(Contains(2), Contains(Ge(4))));  // it does vary
}

TEST(MoeLayer, AddsTheGatedExpertsOfEveryTokenAcrossRanks) {
  const MoeCase spread{.tokens_P = {9, 14}};

  const MoeOutcome outcome = run_moe(spread);

  EXPECT_TRUE(near(outcome.y_TH, naive_layer(spread, outcome), kF64Rounding));
}

TEST(MoeLayer, OnTwoRanksIsTheLayerOnOne) {
  expect_same_as_alone({.tokens_P = {12, 12}});
}

TEST(MoeLayer, WithDifferentNumbersOfTokensIsTheLayerOnOne) {
  expect_same_as_alone({.tokens_P = {1, 17, 4, 9}});
}

TEST(MoeLayer, InF32IsTheLayerOnOne) {
  expect_same_as_alone({.tokens_P = {20, 3}, .dtype = DType::f32});
}

TEST(MoeLayer, InBf16IsTheLayerOnOne) {
  expect_same_as_alone({.tokens_P = {20, 3}, .dtype = DType::bf16});
}

TEST(MoeLayer, InBf16IsNearTheLayerInF64) {
  // Fewer, coarser numbers go in and out, so an expert near the surface may come or go.
  const MoeOutcome exact = run_moe({.tokens_P = {64}, .hidden = 32});

  const MoeOutcome rounded = run_moe({.tokens_P = {64}, .hidden = 32, .dtype = DType::bf16});

  EXPECT_GT(cosine(rounded.y_TH, exact.y_TH), 0.999);
  EXPECT_GT(cosine(rounded.d_x_TH, exact.d_x_TH), 0.99);
  EXPECT_GT(cosine(rounded.d_gate_up_E2FH, exact.d_gate_up_E2FH), 0.99);
  EXPECT_GT(cosine(rounded.d_router_EH, exact.d_router_EH), 0.99);
}

TEST(MoeLayer, ARankWithoutTokensStillRunsItsExperts) {
  const MoeOutcome outcome = expect_same_as_alone({.tokens_P = {15, 0}});

  EXPECT_GT(rows_received(outcome, 1), 0);
  EXPECT_EQ(outcome.traffic_P[1].rows_sent, 0);
}

TEST(MoeLayer, NoTokensAtAllAreOrdinary) {
  const MoeOutcome outcome = expect_same_as_alone({.tokens_P = {0, 0}});

  EXPECT_TRUE(outcome.y_TH.empty());
  EXPECT_THAT(outcome.d_router_EH, Each(0.0));
  EXPECT_EQ(outcome.d_k, 0.0);
}

TEST(MoeLayer, OneHotExpertTakesEverything) {
  const MoeOutcome outcome = expect_same_as_alone(
      {.tokens_P = {8, 11}, .router = {.cap_factor = 1.0}, .k = 1.0, .favour_E = {0, 0, 0, 20}});

  EXPECT_THAT(outcome.expert_N, Each(3));
  EXPECT_EQ(rows_received(outcome, 0), 0);
  EXPECT_EQ(rows_received(outcome, 1), 19);
}

TEST(MoeLayer, ARankWhoseExpertsAreIdleTakesPart) {
  const MoeOutcome outcome =
      expect_same_as_alone({.tokens_P = {10, 10}, .favour_E = {-30, -30, 0, 0}});

  EXPECT_EQ(rows_received(outcome, 0), 0);
  EXPECT_EQ(outcome.traffic_P[0].rows_sent_off_rank, outcome.traffic_P[0].rows_sent);
}

TEST(MoeLayer, TokensMayRunNothing) {
  const MoeOutcome outcome = expect_same_as_alone(
      {.tokens_P = {16, 16}, .router = {.threshold = 0.75, .floor = 0}, .k = 1.5});

  EXPECT_THAT(outcome.experts_run_T, AllOf(Contains(0), Contains(Ge(1))));
}

TEST(MoeLayer, ALayerInWhichNobodyRunsAnythingIsOrdinary) {
  const MoeCase none{.tokens_P = {5, 6}, .router = {.threshold = 0.999, .floor = 0}, .k = 1.0};

  const MoeOutcome outcome = expect_same_as_alone(none);

  EXPECT_THAT(outcome.experts_run_T, Each(0));
  EXPECT_EQ(outcome.y_TH, MoeNumbers(none).before_TH);
}

TEST(MoeLayer, TokensMayRunEveryExpert) {
  const MoeOutcome outcome =
      expect_same_as_alone({.tokens_P = {7, 3}, .router = all_experts(4), .k = 3.0});

  EXPECT_THAT(outcome.experts_run_T, Each(4));
}

TEST(MoeLayer, NineExpertsOnThreeRanksAreTheLayerOnOne) {
  expect_same_as_alone({.tokens_P = {11, 0, 6}, .num_experts = 9, .k = 3.5});
}

TEST(MoeLayer, GoesInAnyNumberOfChunksWithTheSameBits) {
  MoeCase spread{.tokens_P = {11, 0, 6}, .num_experts = 12, .k = 3.5};
  const MoeOutcome at_once = run_moe(spread);

  for (const int chunks : {2, 3, 4, 7}) {  // 7: more than the four experts of a rank
    SCOPED_TRACE(chunks);
    spread.exchange_chunks = chunks;
    const MoeOutcome in_chunks = run_moe(spread);

    EXPECT_EQ(in_chunks.y_TH, at_once.y_TH);
    EXPECT_EQ(in_chunks.d_x_TH, at_once.d_x_TH);
    EXPECT_EQ(in_chunks.d_gate_up_E2FH, at_once.d_gate_up_E2FH);
    EXPECT_EQ(in_chunks.d_down_EHF, at_once.d_down_EHF);
    EXPECT_EQ(in_chunks.d_router_EH, at_once.d_router_EH);
  }
}

TEST(MoeLayer, CountsItsTraffic) {
  const MoeOutcome outcome = run_moe({.tokens_P = {3, 1}, .router = all_experts(4), .k = 3.0});

  // All 4 tokens run all 4 experts, 2 of them on each rank.
  EXPECT_EQ(outcome.traffic_P[0].rows_sent, 12);
  EXPECT_EQ(outcome.traffic_P[0].rows_sent_off_rank, 6);
  EXPECT_EQ(outcome.traffic_P[0].rows_received, 8);
  EXPECT_EQ(outcome.traffic_P[1].rows_sent, 4);
  EXPECT_EQ(outcome.traffic_P[1].rows_sent_off_rank, 2);
  EXPECT_EQ(outcome.traffic_P[1].rows_received, 8);
}

TEST(MoeLayer, RefusesAPlacementForAnotherNumberOfRanks) {
  run_ranks(1, [](parallel::Communicator& ep, OnDevice&) {
    const router::RouterConfig config;

    EXPECT_THROW(experts::MoeLayer(config, experts::ExpertPlacement(4, 2), ep, {}),
                 InvalidArgument);
  });
}

}  // namespace
}  // namespace softmoe::test
