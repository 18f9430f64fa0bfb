// Laws of plans and waves over matrices of every shape of trouble.
// Letters: P ranks, C cells.

#include "parallel/exchange_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "runtime/base/errors.h"
#include "runtime/base/philox.h"

namespace softmoe::parallel {
namespace {

using testing::ElementsAre;

struct Matrix {
  int num_ranks = 1;
  int cells_per_rank = 1;
  std::vector<std::int32_t> count_PC;

  [[nodiscard]] int num_cells() const { return num_ranks * cells_per_rank; }
  [[nodiscard]] std::int32_t count(int source, int cell) const {
    return count_PC[static_cast<std::size_t>(source * num_cells() + cell)];
  }
  [[nodiscard]] std::int64_t received_by(int rank) const {
    std::int64_t rows = 0;
    for (int local = 0; local < cells_per_rank; ++local) {
      for (int source = 0; source < num_ranks; ++source)
        rows += count(source, rank * cells_per_rank + local);
    }
    return rows;
  }
  [[nodiscard]] std::int64_t most_received() const {
    std::int64_t most = 0;
    for (int rank = 0; rank < num_ranks; ++rank) most = std::max(most, received_by(rank));
    return most;
  }
};

Matrix draw_matrix(std::uint64_t seed) {
  enum class Kind { dense, sparse, hot_cell, silent_rank, single_row, nothing };
  const auto word = [seed](std::uint64_t index) {
    return philox({.seed = seed, .purpose = RandomPurpose::test}, index)[0];
  };
  const auto kind = static_cast<Kind>(word(0) % 6);
  Matrix matrix{.num_ranks = 1 + static_cast<int>(word(1) % 5),
                .cells_per_rank = static_cast<int>(word(2) % 5),
                .count_PC = {}};
  const int special =
      matrix.num_cells() == 0
          ? 0
          : static_cast<int>(word(3) % static_cast<std::uint32_t>(matrix.num_cells()));
  for (int source = 0; source < matrix.num_ranks; ++source) {
    for (int cell = 0; cell < matrix.num_cells(); ++cell) {
      const auto drawn = word(static_cast<std::uint64_t>(10 + source * 1000 + cell));
      auto count = static_cast<std::int32_t>(1 + drawn % 7);
      if (kind == Kind::nothing) count = 0;
      if (kind == Kind::sparse && drawn % 3 != 0) count = 0;
      if (kind == Kind::silent_rank && source == special % matrix.num_ranks) count = 0;
      if (kind == Kind::hot_cell) count = cell == special ? 50 * count : count % 2;
      if (kind == Kind::single_row) count = source == 0 && cell == special ? 1 : 0;
      matrix.count_PC.push_back(count);
    }
  }
  return matrix;
}

/// Every rank's plan of one wave.
std::vector<ExchangePlan> plans_of(const Matrix& matrix, Wave wave) {
  std::vector<ExchangePlan> plans;
  for (int rank = 0; rank < matrix.num_ranks; ++rank) {
    plans.emplace_back(Rank(rank), matrix.num_ranks, matrix.cells_per_rank);
    plans.back().make(matrix.count_PC, wave);
  }
  return plans;
}

/// A row by where it comes from: its source, and its place in what that rank sends.
using Row = std::pair<int, std::int64_t>;

/// The rows that arrive at `rank` in a wave, in order, as the senders' plans say; checks that the
/// receiver's plan says the same sizes.
std::vector<Row> arrivals(const std::vector<ExchangePlan>& plans, int rank) {
  const ExchangePlan& receiver = plans[static_cast<std::size_t>(rank)];
  std::vector<std::size_t> next_of_sender(plans.size());
  std::vector<Row> rows;
  for (const ExchangePlan::Block& block : receiver.from()) {
    EXPECT_EQ(block.first_row, std::ssize(rows));
    EXPECT_GT(block.num_rows, 0);
    // Messages between two ranks match by their order.
    const auto sender = static_cast<std::size_t>(block.peer.value);
    const auto to = plans[sender].to();
    std::size_t& next = next_of_sender[sender];
    while (next < to.size() && to[next].peer != Rank(rank)) ++next;
    if (next == to.size()) {
      ADD_FAILURE() << "rank " << rank << " waits for rows that nobody sends";
      return rows;
    }
    EXPECT_EQ(to[next].cell, block.cell);
    EXPECT_EQ(to[next].num_rows, block.num_rows);
    for (std::int64_t i = 0; i < to[next].num_rows; ++i)
      rows.emplace_back(block.peer.value, to[next].first_row + i);
    ++next;
  }
  EXPECT_EQ(std::ssize(rows), receiver.rows_received());
  return rows;
}

std::size_t num_messages_to(const std::vector<ExchangePlan>& plans, int rank) {
  std::size_t messages = 0;
  for (const ExchangePlan& plan : plans) {
    for (const ExchangePlan::Block& block : plan.to()) messages += block.peer == Rank(rank);
  }
  return messages;
}

/// The order in which rows arrive at once: by cell, source and order of sending.
std::vector<Row> canonical_arrivals(const Matrix& matrix, int rank) {
  std::vector<Row> rows;
  for (int local = 0; local < matrix.cells_per_rank; ++local) {
    const int to = rank * matrix.cells_per_rank + local;
    for (int source = 0; source < matrix.num_ranks; ++source) {
      std::int64_t first = 0;
      for (int cell = 0; cell < to; ++cell) first += matrix.count(source, cell);
      for (std::int64_t i = 0; i < matrix.count(source, to); ++i)
        rows.emplace_back(source, first + i);
    }
  }
  return rows;
}

void expect_laws(const Matrix& matrix, std::int64_t max_rows) {
  const std::int64_t waves = waves_needed(matrix.count_PC, matrix.num_ranks, max_rows);
  // As few as there can be.
  EXPECT_EQ(waves, std::max<std::int64_t>(1, (matrix.most_received() + max_rows - 1) / max_rows));
  std::vector<std::vector<Row>> arrived_P(static_cast<std::size_t>(matrix.num_ranks));
  for (std::int64_t index = 0; index < waves; ++index) {
    const std::vector<ExchangePlan> plans = plans_of(matrix, {.index = index, .count = waves});
    for (int rank = 0; rank < matrix.num_ranks; ++rank) {
      const ExchangePlan& plan = plans[static_cast<std::size_t>(rank)];
      EXPECT_LE(plan.rows_received(), max_rows);
      EXPECT_EQ(plan.rows_received_in_all(), matrix.received_by(rank));
      EXPECT_EQ(num_messages_to(plans, rank), plan.from().size());
      EXPECT_EQ(plan.cell_begin().front(), 0);
      EXPECT_TRUE(std::is_sorted(plan.cell_begin().begin(), plan.cell_begin().end()));
      for (const ExchangePlan::Block& block : plan.from()) {
        const auto cell = static_cast<std::size_t>(block.cell);
        EXPECT_GE(block.first_row, plan.cell_begin()[cell]);
        EXPECT_LE(block.first_row + block.num_rows, plan.cell_begin()[cell + 1]);
      }
      const std::vector<Row> rows = arrivals(plans, rank);
      std::vector<Row>& all = arrived_P[static_cast<std::size_t>(rank)];
      all.insert(all.end(), rows.begin(), rows.end());
    }
  }
  // Each row once, and in the order of an exchange at once.
  for (int rank = 0; rank < matrix.num_ranks; ++rank) {
    EXPECT_EQ(arrived_P[static_cast<std::size_t>(rank)], canonical_arrivals(matrix, rank));
  }
}

TEST(ExchangePlan, BringsEveryRowOnceAndNoRankMoreThanTheBound) {
  for (std::uint64_t seed = 0; seed < 120; ++seed) {
    const Matrix matrix = draw_matrix(seed);
    const std::int64_t most = matrix.most_received();
    for (const std::int64_t max_rows :
         {std::int64_t{1}, std::int64_t{3}, most / 2, most - 1, most, most + 1}) {
      if (max_rows < 1) continue;
      SCOPED_TRACE(testing::Message() << "seed " << seed << ", at most " << max_rows);
      expect_laws(matrix, max_rows);
      if (testing::Test::HasFailure()) return;
    }
  }
}

TEST(ExchangePlan, OfOneWaveIsTheExchangeAtOnce) {
  // Two ranks with two cells: [from rank 0: 1 0 2 0] [from rank 1: 0 3 1 1].
  const std::vector<std::int32_t> count_PC = {1, 0, 2, 0, 0, 3, 1, 1};
  ExchangePlan plan(Rank(0), 2, 2);

  plan.make(count_PC, {});

  EXPECT_EQ(plan.rows_sent(), 3);
  EXPECT_EQ(plan.rows_sent_off_rank(), 2);
  EXPECT_EQ(plan.rows_received(), 4);
  EXPECT_THAT(plan.cell_begin(), ElementsAre(0, 1, 4));
}

TEST(ExchangePlan, CutsARunOfRowsForOneCell) {
  // Rank 1 gets 5 rows of rank 0 for its only cell; rank 0 gets none.
  const std::vector<std::int32_t> count_PC = {0, 5, 0, 0};
  ASSERT_EQ(waves_needed(count_PC, 2, 2), 3);
  ExchangePlan sender(Rank(0), 2, 1);

  std::vector<std::pair<std::int64_t, std::int64_t>> sent;
  for (std::int64_t wave = 0; wave < 3; ++wave) {
    sender.make(count_PC, {.index = wave, .count = 3});
    for (const ExchangePlan::Block& block : sender.to())
      sent.emplace_back(block.first_row, block.num_rows);
  }

  EXPECT_THAT(sent, ElementsAre(std::pair(0, 2), std::pair(2, 2), std::pair(4, 1)));
}

TEST(ExchangePlan, SharesRowsEvenlyAmongWavesWithoutOverflow) {
  constexpr std::int64_t kRows = std::int64_t{1} << 62;
  std::int64_t end = 0;
  for (std::int64_t index = 0; index < 7; ++index) {
    const RowRange range = rows_of_wave(kRows, {.index = index, .count = 7});
    EXPECT_EQ(range.begin, end);
    EXPECT_LE(range.end - range.begin, kRows / 7 + 1);
    EXPECT_GE(range.end - range.begin, kRows / 7);
    end = range.end;
  }
  EXPECT_EQ(end, kRows);
}

TEST(ExchangePlan, HasOneWaveWithoutABoundOrRows) {
  EXPECT_EQ(waves_needed(std::vector<std::int32_t>{1000, 1000, 1000, 1000}, 2, 0), 1);
  EXPECT_EQ(waves_needed(std::vector<std::int32_t>{0, 0, 0, 0}, 2, 1), 1);
  EXPECT_EQ(waves_needed({}, 3, 1), 1);
}

TEST(ExchangePlan, RefusesWhatCannotBe) {
  ExchangePlan plan(Rank(0), 2, 1);
  const std::vector<std::int32_t> count_PC = {1, 1, 1, 1};

  EXPECT_THROW(plan.make(count_PC, {.index = 1, .count = 1}), InvalidArgument);
  EXPECT_THROW(plan.make(count_PC, {.index = -1, .count = 2}), InvalidArgument);
  EXPECT_THROW(plan.make(std::vector<std::int32_t>{1, 1, 1}, {}), InvalidArgument);
  EXPECT_THROW(plan.make(std::vector<std::int32_t>{1, -1, 1, 1}, {}), InvalidArgument);
  EXPECT_THROW((void)waves_needed(count_PC, 2, -1), InvalidArgument);
}

}  // namespace
}  // namespace softmoe::parallel
