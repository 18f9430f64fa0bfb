// A layer in waves is the layer at once, and so is one that dispatches its rows again.
// Letters: T tokens, H hidden, E experts, P ranks.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "experts/moe_layer.h"
#include "tests/support/local_world.h"
#include "tests/support/near.h"
#include "tests/unit/experts/moe_case.h"

namespace softmoe::test {
namespace {

using testing::Each;

std::int64_t most_received(const MoeOutcome& outcome) {
  std::int64_t most = 0;
  for (const experts::MoeTraffic& traffic : outcome.traffic_P)
    most = std::max(most, traffic.rows_received);
  return most;
}

void expect_same_bits(const MoeOutcome& is, const MoeOutcome& should_be) {
  EXPECT_EQ(is.y_TH, should_be.y_TH);
  EXPECT_EQ(is.d_x_TH, should_be.d_x_TH);
  EXPECT_EQ(is.d_gate_up_E2FH, should_be.d_gate_up_E2FH);
  EXPECT_EQ(is.d_down_EHF, should_be.d_down_EHF);
  EXPECT_EQ(is.d_router_EH, should_be.d_router_EH);
  EXPECT_EQ(is.d_gain, should_be.d_gain);
  EXPECT_EQ(is.d_k, should_be.d_k);
}

/// The f64 products take each row alone, so only sums over rows may go in another order.
void expect_same_rows(const MoeOutcome& is, const MoeOutcome& should_be) {
  expect_same_outcome(is, should_be, kF64Rounding);
  EXPECT_EQ(is.y_TH, should_be.y_TH);
  EXPECT_EQ(is.d_x_TH, should_be.d_x_TH);
  EXPECT_EQ(is.d_router_EH, should_be.d_router_EH);
}

/// Runs the case in waves of all sizes against the case at once.
template <class Expect>
void expect_same_in_waves(MoeCase of, Expect expect) {
  of.max_received_rows = 0;
  const MoeOutcome at_once = run_moe(of);
  const std::int64_t most = most_received(at_once);
  for (const std::int64_t max_rows :
       {std::int64_t{1}, std::int64_t{2}, std::int64_t{5}, most / 2, most - 1, most, most + 1}) {
    if (max_rows < 1) continue;
    SCOPED_TRACE(testing::Message() << "at most " << max_rows << " of " << most << " rows");
    of.max_received_rows = max_rows;

    const MoeOutcome in_waves = run_moe(of);

    expect(in_waves, at_once);
    const std::int64_t waves = std::max<std::int64_t>(1, (most + max_rows - 1) / max_rows);
    for (std::size_t rank = 0; rank < of.tokens_P.size(); ++rank) {
      const experts::MoeTraffic& is = in_waves.traffic_P[rank];
      const experts::MoeTraffic& was = at_once.traffic_P[rank];
      EXPECT_EQ(is.waves, waves);
      EXPECT_EQ(is.rows_sent, was.rows_sent);
      EXPECT_EQ(is.rows_received, was.rows_received);
      EXPECT_EQ(is.rows_sent_off_rank, was.rows_sent_off_rank);
      EXPECT_EQ(is.rows_again_off_rank, waves == 1 ? 0 : was.rows_sent_off_rank);
    }
  }
}

router::RouterConfig one_expert() {
  return {.cap_factor = 1.0, .gate = router::GateRule::renormalised};
}

TEST(MoeWaves, OfOneRankAreTheLayerAtOnce) {
  expect_same_in_waves({.tokens_P = {23}}, expect_same_rows);
}

TEST(MoeWaves, OfTwoRanksAreTheLayerAtOnce) {
  expect_same_in_waves({.tokens_P = {12, 12}}, expect_same_rows);
}

TEST(MoeWaves, OfFourRaggedRanksAreTheLayerAtOnce) {
  expect_same_in_waves({.tokens_P = {1, 17, 4, 9}, .num_experts = 8, .k = 2.5}, expect_same_rows);
}

TEST(MoeWaves, OfWholeNumbersAreTheSameBits) {
  for (const std::vector<std::int64_t>& tokens_P :
       {std::vector<std::int64_t>{23}, {9, 14}, {1, 17, 4, 9}}) {
    SCOPED_TRACE(tokens_P.size());
    // One expert a token, whose share of itself is 1.
    expect_same_in_waves({.tokens_P = tokens_P,
                          .num_experts = 8,
                          .router = one_expert(),
                          .k = 1.0,
                          .is_whole = true},
                         expect_same_bits);
  }
}

TEST(MoeWaves, InF32AreTheLayerAtOnce) {
  expect_same_in_waves(
      {.tokens_P = {20, 3}, .dtype = DType::f32},
      [](const MoeOutcome& is, const MoeOutcome& was) { expect_same_outcome(is, was, kF32Sums); });
}

TEST(MoeWaves, InChunksAreTheSameBits) {
  MoeCase of{.tokens_P = {11, 0, 6}, .num_experts = 12, .k = 3.5, .max_received_rows = 4};
  const MoeOutcome in_waves = run_moe(of);
  EXPECT_GT(in_waves.traffic_P[0].waves, 2);

  for (const int chunks : {2, 3, 7}) {
    SCOPED_TRACE(chunks);
    of.exchange_chunks = chunks;
    expect_same_bits(run_moe(of), in_waves);
  }
}

TEST(MoeWaves, OfOneHotExpertAreTheLayerAtOnce) {
  // One run of rows for one expert is cut; the other rank takes part in waves that bring it none.
  expect_same_in_waves(
      {.tokens_P = {8, 11}, .router = {.cap_factor = 1.0}, .k = 1.0, .favour_E = {0, 0, 0, 20}},
      expect_same_rows);
}

TEST(MoeWaves, ARankWithoutTokensTakesPart) {
  expect_same_in_waves({.tokens_P = {15, 0}}, expect_same_rows);
}

TEST(MoeWaves, WithoutAnyRowsThereIsOne) {
  const MoeCase none{.tokens_P = {5, 6},
                     .router = {.threshold = 0.999, .floor = 0},
                     .k = 1.0,
                     .max_received_rows = 1};

  const MoeOutcome outcome = run_moe(none);

  EXPECT_THAT(outcome.experts_run_T, Each(0));
  EXPECT_EQ(outcome.y_TH, MoeNumbers(none).before_TH);
  EXPECT_EQ(outcome.traffic_P[0].waves, 1);
}

TEST(MoeWaves, NoTokensAtAllAreOrdinary) {
  const MoeOutcome outcome = run_moe({.tokens_P = {0, 0}, .max_received_rows = 1});

  EXPECT_TRUE(outcome.y_TH.empty());
  EXPECT_THAT(outcome.d_router_EH, Each(0.0));
}

/// Keeps the plan alone.
MoeOutcome run_again(MoeCase of) {
  of.keep = experts::Keep::plan;
  return run_moe(of);
}

TEST(MoeKeepsThePlan, WithTheBitsOfKeptRows) {
  for (const DType dtype : {DType::f64, DType::f32, DType::bf16}) {
    for (const int chunks : {1, 3}) {
      for (const std::vector<std::int64_t>& tokens_P :
           {std::vector<std::int64_t>{64}, {20, 3}, {1, 17, 0, 9}}) {
        SCOPED_TRACE(testing::Message() << static_cast<int>(dtype) << ", " << chunks
                                        << " chunks, ranks " << tokens_P.size());
        const MoeCase of{.tokens_P = tokens_P,
                         .num_experts = 12,
                         .k = 3.5,
                         .dtype = dtype,
                         .exchange_chunks = chunks};
        expect_same_bits(run_again(of), run_moe(of));
      }
    }
  }
}

TEST(MoeKeepsThePlan, AndDispatchesItsRowsAgain) {
  const MoeOutcome outcome = run_again({.tokens_P = {9, 14}});

  for (const experts::MoeTraffic& traffic : outcome.traffic_P) {
    EXPECT_EQ(traffic.waves, 1);
    EXPECT_GT(traffic.rows_sent_off_rank, 0);
    EXPECT_EQ(traffic.rows_again_off_rank, traffic.rows_sent_off_rank);
  }
}

TEST(MoeKeepsThePlan, InWavesWithTheSameBits) {
  MoeCase of{.tokens_P = {9, 14}, .max_received_rows = 5};
  const MoeOutcome in_waves = run_moe(of);
  EXPECT_GT(in_waves.traffic_P[0].waves, 1);

  expect_same_bits(run_again(of), in_waves);
}

}  // namespace
}  // namespace softmoe::test
