// The bytes that a layer really gives to its communicator, forward and backward, against the
// formula and against what padding would move. Letters: T tokens, E experts, P ranks.

#include <gtest/gtest.h>

#include <algorithm>
#include <mutex>
#include <numeric>

#include "experts/expert_placement.h"
#include "tests/support/local_world.h"
#include "tests/unit/experts/moe_case.h"
#include "tests/unit/launcher/counting_rank.h"

namespace softmoe::test {
namespace {

/// What the ranks of the last case sent; a RankRunner is a plain function and can hold nothing.
std::mutex counting;
SentBytes counted;

void run_counted(int num_ranks, const RankFunction& function) {
  counted = {};
  run_ranks(num_ranks, [&](parallel::Communicator& communicator, OnDevice& on) {
    CountingRank rank(communicator);
    function(rank, on);
    on.stream.synchronize();
    on.exchange.synchronize();
    const std::scoped_lock lock(counting);
    counted.exchanged += rank.sent().exchanged;
    counted.gathered += rank.sent().gathered;
  });
}

/// A case of `ranks` ranks with `tokens` tokens each; storage f32.
MoeCase case_of(int ranks, std::int64_t tokens, router::RouterConfig router = {}) {
  return {.tokens_P = std::vector<std::int64_t>(static_cast<std::size_t>(ranks), tokens),
          .num_experts = 8,
          .router = router,
          .dtype = DType::f32};
}

/// Every rank's rows for every expert [P, E], read off the plan itself.
std::vector<std::int64_t> rows_PE(const MoeCase& of, const MoeOutcome& outcome) {
  std::vector<std::int64_t> rows(of.tokens_P.size() * static_cast<std::size_t>(of.num_experts));
  std::size_t token = 0;
  std::size_t row = 0;
  for (std::size_t rank = 0; rank < of.tokens_P.size(); ++rank) {
    for (std::int64_t t = 0; t < of.tokens_P[rank]; ++t, ++token) {
      for (int i = 0; i < outcome.experts_run_T[token]; ++i, ++row)
        ++rows[rank * static_cast<std::size_t>(of.num_experts) +
               static_cast<std::size_t>(outcome.expert_N[row])];
    }
  }
  return rows;
}

struct LayerBytes {
  std::int64_t real = 0;     ///< as counted
  std::int64_t formula = 0;  ///< off-rank rows * (4 * row_bytes + 8)
  std::int64_t padded = 0;   ///< the same if every (rank, expert) had the rows of the fullest
  std::int64_t gathered = 0;
};

LayerBytes run(const MoeCase& of) {
  const MoeOutcome outcome = run_moe(of, run_counted);
  const auto ranks = static_cast<int>(of.tokens_P.size());
  const experts::ExpertPlacement placement(of.num_experts, ranks);
  const std::vector<std::int64_t> rows = rows_PE(of, outcome);
  const std::int64_t fullest = *std::max_element(rows.begin(), rows.end());
  std::int64_t off_rank = 0;
  std::int64_t padded = 0;
  for (int rank = 0; rank < ranks; ++rank) {
    for (int expert = 0; expert < of.num_experts; ++expert) {
      if (expert / placement.experts_per_rank() == rank) continue;
      off_rank += rows[static_cast<std::size_t>(rank * of.num_experts + expert)];
      padded += fullest;
    }
  }
  const std::int64_t bytes_of_row = 4 * (of.hidden * 4) + 8;
  return {.real = counted.exchanged,
          .formula = off_rank * bytes_of_row,
          .padded = padded * bytes_of_row,
          .gathered = counted.gathered};
}

TEST(ExchangedBytes, AreFourRowsAndTwoGatesForEveryRowThatLeaves) {
  for (const int ranks : {1, 2, 4}) {
    for (const int chunks : {1, 2}) {
      MoeCase of = case_of(ranks, 23);
      of.exchange_chunks = chunks;

      const LayerBytes bytes = run(of);

      EXPECT_EQ(bytes.real, bytes.formula) << ranks << " ranks, " << chunks << " chunks";
      EXPECT_EQ(bytes.real > 0, ranks > 1);
    }
  }
}

TEST(ExchangedBytes, FollowSkew) {
  for (const int ranks : {2, 4}) {
    MoeCase hot = case_of(ranks, 23);
    hot.favour_E = {8, 4, 2, 0, 0, 0, 0, 0};

    const LayerBytes bytes = run(hot);

    EXPECT_EQ(bytes.real, bytes.formula) << ranks;
    EXPECT_LT(2 * bytes.real, bytes.padded) << ranks << ": padding pays for the fullest expert";
  }
}

TEST(ExchangedBytes, FollowTokensThatRunEveryExpert) {
  // Nothing is uneven here, so padding costs nothing either.
  for (const int ranks : {1, 2, 4}) {
    MoeCase all = case_of(ranks, 9, {.threshold = 1e-9, .cap_factor = 8.0});
    all.k = 4.0;

    const LayerBytes bytes = run(all);

    EXPECT_EQ(bytes.real, bytes.formula) << ranks;
    EXPECT_EQ(bytes.real, std::int64_t{9} * 8 * (ranks - 1) * (4 * 6 * 4 + 8)) << ranks;
    EXPECT_EQ(bytes.real, bytes.padded) << ranks;
  }
}

TEST(ExchangedBytes, AreNoneWhereNobodyRunsAnything) {
  for (const int ranks : {1, 2, 4}) {
    MoeCase none = case_of(ranks, 9, {.threshold = 0.999, .floor = 0});
    none.k = 1.0;

    const LayerBytes bytes = run(none);

    EXPECT_EQ(bytes.formula, 0) << ranks;
    EXPECT_EQ(bytes.real, 0) << ranks;
  }
}

TEST(ExchangedBytes, FollowRanksOfUnequalTokens) {
  MoeCase of = case_of(4, 0, {.threshold = 0.6, .floor = 0});
  of.tokens_P = {0, 40, 1, 17};

  const LayerBytes bytes = run(of);

  EXPECT_GT(bytes.real, 0);
  EXPECT_EQ(bytes.real, bytes.formula);
}

TEST(ExchangedBytes, CountsTravelOnceAndNotInBackward) {
  for (const int ranks : {1, 2, 4}) {
    const LayerBytes bytes = run(case_of(ranks, 5));

    EXPECT_EQ(bytes.gathered, ranks * (ranks - 1) * std::int64_t{8} * 4) << ranks;
  }
}

}  // namespace
}  // namespace softmoe::test
