// Ragged exchange of rows against a naive oracle.

#include <gmock/gmock.h>

#include <array>

#include "parallel/row_exchange.h"
#include "runtime/base/philox.h"
#include "tests/unit/parallel/contract/communicator_contract.h"

namespace softmoe::test {

namespace {

using parallel::Communicator;
using parallel::CountGather;
using parallel::RowExchange;
using parallel::RowJourney;
using testing::ElementsAre;
using testing::ElementsAreArray;

using Ints = std::vector<std::int32_t>;

/// A count matrix [P, C] drawn from a seed, of one of several shapes of trouble.
struct Traffic {
  int num_ranks = 1;
  int cells_per_rank = 1;
  Ints count_PC;

  [[nodiscard]] int num_cells() const { return num_ranks * cells_per_rank; }
  [[nodiscard]] int count(int source, int cell) const {
    return count_PC[static_cast<std::size_t>(source * num_cells() + cell)];
  }
};

Traffic draw_traffic(int num_ranks, std::uint64_t seed) {
  enum class Shape { dense, sparse, silent_rank, hot_rank, nothing };
  const auto word = [seed](std::uint64_t index) { return philox({.seed = seed}, index)[0]; };
  const auto shape = static_cast<Shape>(word(0) % 5);
  const int special = static_cast<int>(word(1) % static_cast<unsigned>(num_ranks));
  Traffic traffic{.num_ranks = num_ranks, .cells_per_rank = static_cast<int>(word(2) % 6)};
  for (int source = 0; source < num_ranks; ++source) {
    for (int cell = 0; cell < traffic.num_cells(); ++cell) {
      const auto drawn = word(static_cast<std::uint64_t>(10 + source * 1'000 + cell));
      const bool is_hot = cell / traffic.cells_per_rank == special;
      int count = 1 + static_cast<int>(drawn % 5);
      if (shape == Shape::nothing) count = 0;
      if (shape == Shape::sparse && drawn % 3 != 0) count = 0;
      if (shape == Shape::silent_rank && source == special) count = 0;
      if (shape == Shape::hot_rank) count = is_hot ? 40 * count : count % 2;
      traffic.count_PC.push_back(count);
    }
  }
  return traffic;
}

/// Row `index` from `source` to `cell`: numbers that say so, `width` of them.
void append_row(Ints& rows, int source, int cell, int index, int width) {
  for (int column = 0; column < width; ++column)
    rows.push_back(((source * 64 + cell) * 1'024 + index) * 8 + column);
}

Ints rows_sent_by(int source, const Traffic& traffic, int width) {
  Ints rows;
  for (int cell = 0; cell < traffic.num_cells(); ++cell) {
    for (int i = 0; i < traffic.count(source, cell); ++i) append_row(rows, source, cell, i, width);
  }
  return rows;
}

Ints rows_received_by(int rank, const Traffic& traffic, int width) {
  Ints rows;
  for (int local = 0; local < traffic.cells_per_rank; ++local) {
    const int cell = rank * traffic.cells_per_rank + local;
    for (int source = 0; source < traffic.num_ranks; ++source) {
      for (int i = 0; i < traffic.count(source, cell); ++i)
        append_row(rows, source, cell, i, width);
    }
  }
  return rows;
}

void expect_there_and_back(const Traffic& traffic, int width, Communicator& communicator,
                           OnDevice& device) {
  const int me = communicator.rank().value;
  const ArenaScope scope(device.scratch);
  RowExchange exchange(communicator, traffic.cells_per_rank);
  exchange.plan(traffic.count_PC);
  const Ints sent_rows = rows_sent_by(me, traffic, width);
  const Ints received_rows = rows_received_by(me, traffic, width);
  const TensorView sent = device.scratch.push(DType::i32, {exchange.rows_sent(), width});
  const TensorView received = device.scratch.push(DType::i32, {exchange.rows_received(), width});
  const TensorView back = device.scratch.push(DType::i32, {exchange.rows_sent(), width});
  upload(std::span(sent_rows), sent.as<std::int32_t>(), device.stream);

  exchange.forward(sent, received, device.stream);
  exchange.reverse(received, back, device.stream);

  EXPECT_EQ(device.download<std::int32_t>(received), received_rows);
  EXPECT_EQ(device.download<std::int32_t>(back), sent_rows);
}

void rows_arrive_by_cell_source_and_order(Communicator& communicator, OnDevice& device) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    expect_there_and_back(draw_traffic(communicator.size(), seed),
                          /*width=*/1 + static_cast<int>(seed % 3), communicator, device);
    if (testing::Test::HasFailure()) return;
  }
}

/// A table of rows of so many numbers on both sides, and where they come back to.
struct TableHere {
  Ints sent_rows;
  TensorView sent;
  TensorView received;
  TensorView back;

  TableHere(const Traffic& traffic, const RowExchange& exchange, int width, int me,
            OnDevice& device)
      : sent_rows(rows_sent_by(me, traffic, width)),
        sent(device.scratch.push(DType::i32, {exchange.rows_sent(), width})),
        received(device.scratch.push(DType::i32, {exchange.rows_received(), width})),
        back(device.scratch.push(DType::i32, {exchange.rows_sent(), width})) {
    upload(std::span<const std::int32_t>(sent_rows), sent.as<std::int32_t>(), device.stream);
  }
};

void tables_of_one_call_do_not_mix(Communicator& communicator, OnDevice& device) {
  const int me = communicator.rank().value;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(seed);
    const Traffic traffic = draw_traffic(communicator.size(), seed);
    const ArenaScope scope(device.scratch);
    RowExchange exchange(communicator, traffic.cells_per_rank);
    exchange.plan(traffic.count_PC);
    const TableHere rows(traffic, exchange, /*width=*/3, me, device);
    const TableHere gates(traffic, exchange, /*width=*/1, me, device);

    exchange.forward(
        std::array<RowJourney, 2>{{{rows.sent, rows.received}, {gates.sent, gates.received}}},
        exchange.all_cells(), device.stream);
    exchange.reverse(
        std::array<RowJourney, 2>{{{rows.received, rows.back}, {gates.received, gates.back}}},
        exchange.all_cells(), device.stream);

    EXPECT_EQ(device.download<std::int32_t>(rows.received), rows_received_by(me, traffic, 3));
    EXPECT_EQ(device.download<std::int32_t>(gates.received), rows_received_by(me, traffic, 1));
    EXPECT_EQ(device.download<std::int32_t>(rows.back), rows.sent_rows);
    EXPECT_EQ(device.download<std::int32_t>(gates.back), gates.sent_rows);
    if (testing::Test::HasFailure()) return;
  }
}

/// As expect_there_and_back(), by waves in which no rank receives more than max_rows.
void expect_there_and_back_in_waves(const Traffic& traffic, std::int64_t max_rows,
                                    Communicator& communicator, OnDevice& device) {
  const int me = communicator.rank().value;
  const ArenaScope scope(device.scratch);
  RowExchange exchange(communicator, traffic.cells_per_rank);
  const Ints sent_rows = rows_sent_by(me, traffic, /*width=*/2);
  const auto num_sent = std::ssize(sent_rows) / 2;
  const TensorView sent = device.scratch.push(DType::i32, {num_sent, 2});
  const TensorView back = device.scratch.push(DType::i32, {num_sent, 2});
  upload(std::span(sent_rows), sent.as<std::int32_t>(), device.stream);

  Ints received_rows;
  const std::int64_t waves = parallel::waves_needed(traffic.count_PC, traffic.num_ranks, max_rows);
  for (std::int64_t wave = 0; wave < waves; ++wave) {
    exchange.plan(traffic.count_PC, {.index = wave, .count = waves});
    EXPECT_LE(exchange.rows_received(), max_rows);
    const TensorView received = device.scratch.push(DType::i32, {exchange.rows_received(), 2});
    exchange.forward(sent, received, device.stream);
    exchange.reverse(received, back, device.stream);
    const Ints landed = device.download<std::int32_t>(received);
    received_rows.insert(received_rows.end(), landed.begin(), landed.end());
  }

  EXPECT_EQ(received_rows, rows_received_by(me, traffic, /*width=*/2));
  EXPECT_EQ(device.download<std::int32_t>(back), sent_rows);
}

void waves_bring_every_row_there_and_back(Communicator& communicator, OnDevice& device) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    expect_there_and_back_in_waves(draw_traffic(communicator.size(), seed),
                                   /*max_rows=*/3 + 5 * static_cast<std::int64_t>(seed % 4),
                                   communicator, device);
    if (testing::Test::HasFailure()) return;
  }
}

void the_plan_counts_rows(Communicator& communicator, OnDevice& /*device*/) {
  // Every rank has c + 1 rows for cell c; two cells a rank.
  const int size = communicator.size();
  const int me = communicator.rank().value;
  Ints count_PC;
  for (int source = 0; source < size; ++source) {
    for (int cell = 0; cell < 2 * size; ++cell) count_PC.push_back(cell + 1);
  }
  RowExchange exchange(communicator, /*cells_per_rank=*/2);

  exchange.plan(count_PC);

  const int to_me = (2 * me + 1) + (2 * me + 2);
  EXPECT_EQ(exchange.rows_sent(), size * (2 * size + 1));
  EXPECT_EQ(exchange.rows_received(), size * to_me);
  EXPECT_EQ(exchange.rows_sent_off_rank(), exchange.rows_sent() - to_me);
  EXPECT_THAT(exchange.cell_begin(), ElementsAre(0, size * (2 * me + 1), size * to_me));
  std::vector<std::int64_t> run_begin;
  for (int source = 0; source < size; ++source) run_begin.push_back(source * (2 * me + 1));
  for (int source = 0; source <= size; ++source)
    run_begin.push_back(size * (2 * me + 1) + source * (2 * me + 2));
  EXPECT_THAT(exchange.run_begin(), ElementsAreArray(run_begin));
}

void a_plan_replaces_the_one_before(Communicator& communicator, OnDevice& /*device*/) {
  const auto counts = static_cast<std::size_t>(communicator.size() * communicator.size());
  RowExchange exchange(communicator, /*cells_per_rank=*/1);
  exchange.plan(Ints(counts, 9));

  exchange.plan(Ints(counts, 1));

  EXPECT_EQ(exchange.rows_sent(), communicator.size());
  EXPECT_THAT(exchange.cell_begin(), ElementsAre(0, communicator.size()));
}

void counts_of_all_ranks_reach_every_host(Communicator& communicator, OnDevice& device) {
  const int size = communicator.size();
  CountGather gather(communicator);
  for (int round = 0; round < 3; ++round) {
    const ArenaScope scope(device.scratch);
    Ints expected;
    for (int i = 0; i < size * size; ++i) expected.push_back(100 * round + i);
    const auto row = expected.begin() + communicator.rank().value * size;

    gather.start(device.upload(Ints(row, row + size)), device.scratch, device.stream);

    EXPECT_THAT(gather.wait(), ElementsAreArray(expected));
  }
}

void rows_travel_on_a_stream_of_their_own(Communicator& communicator, OnDevice& device) {
  // One row of three for everybody, in bf16, with a gate in f32 beside it.
  const int size = communicator.size();
  const auto me = static_cast<float>(communicator.rank().value);
  RowExchange exchange(communicator, /*cells_per_rank=*/1);
  exchange.plan(Ints(static_cast<std::size_t>(size * size), 1));
  const auto num_rows = static_cast<std::size_t>(size);
  const TensorView rows = device.upload(std::vector<Bf16>(3 * num_rows, Bf16(me)), {size, 3});
  const TensorView gates = device.upload(std::vector<float>(num_rows, 0.5F + me), {size});
  const TensorView rows_here = device.saved.push(DType::bf16, {size, 3});
  const TensorView gates_here = device.saved.push(DType::f32, {size});
  Event packed;
  Event arrived;

  device.stream.record(packed);
  device.exchange.wait_for(packed);
  exchange.forward(std::array<RowJourney, 2>{{{rows, rows_here}, {gates, gates_here}}},
                   exchange.all_cells(), device.exchange);
  device.exchange.record(arrived);
  device.stream.wait_for(arrived);

  const std::vector<Bf16> landed = device.download<Bf16>(rows_here);
  const std::vector<float> landed_gates = device.download<float>(gates_here);
  for (std::size_t source = 0; source < num_rows; ++source) {
    EXPECT_EQ(landed_gates[source], 0.5F + static_cast<float>(source));
    for (std::size_t i = 0; i < 3; ++i)
      EXPECT_EQ(landed[3 * source + i], static_cast<float>(source));
  }
}

void row_exchange_refuses_what_does_not_fit_its_plan(Communicator& communicator, OnDevice& device) {
  const int size = communicator.size();
  Ints counts(static_cast<std::size_t>(size * size), 1);
  RowExchange exchange(communicator, /*cells_per_rank=*/1);
  exchange.plan(counts);
  const TensorView fits = device.saved.push(DType::f32, {size, 2});
  const TensorView wide = device.saved.push(DType::f32, {size, 3});
  const TensorView tall = device.saved.push(DType::f32, {size + 1, 2});

  EXPECT_THROW(exchange.forward(fits, wide, device.stream), InvalidArgument);
  EXPECT_THROW(exchange.forward(tall, fits, device.stream), InvalidArgument);
  EXPECT_THROW(exchange.reverse(fits, tall, device.stream), InvalidArgument);
  counts.back() = -1;
  EXPECT_THROW(exchange.plan(counts), InvalidArgument);
  counts.pop_back();
  EXPECT_THROW(exchange.plan(counts), InvalidArgument);
}

}  // namespace

std::vector<ContractCase> row_exchange_cases() {
  return {
      {"RowsArriveByCellSourceAndOrder", rows_arrive_by_cell_source_and_order},
      {"TablesOfOneCallDoNotMix", tables_of_one_call_do_not_mix},
      {"WavesBringEveryRowThereAndBack", waves_bring_every_row_there_and_back},
      {"ThePlanCountsRows", the_plan_counts_rows},
      {"APlanReplacesTheOneBefore", a_plan_replaces_the_one_before},
      {"CountsOfAllRanksReachEveryHost", counts_of_all_ranks_reach_every_host},
      {"RowsTravelOnAStreamOfTheirOwn", rows_travel_on_a_stream_of_their_own},
      {"RowExchangeRefusesWhatDoesNotFitItsPlan", row_exchange_refuses_what_does_not_fit_its_plan},
  };
}

}  // namespace softmoe::test
