#include "parallel/row_exchange.h"

#include <fmt/format.h>

#include "parallel/bytes.h"

namespace softmoe::parallel {

namespace {

/// Bytes of one row: all dims but the outermost. Known even where there are no rows.
std::int64_t row_bytes(const ConstTensorView& tensor) {
  std::int64_t bytes = size_of(tensor.dtype());
  for (int i = 1; i < tensor.shape().rank(); ++i) bytes *= tensor.dim(i);
  return bytes;
}

void check_rows(const ConstTensorView& tensor, std::int64_t num_rows, std::string_view side) {
  if (tensor.shape().rank() < 1 || tensor.dim(0) != num_rows) {
    throw InvalidArgument(
        fmt::format("row exchange: the {} side has shape {}, the plan has {} rows", side,
                    tensor.shape().to_string(), num_rows));
  }
}

void check_equal_rows(const ConstTensorView& sent, const ConstTensorView& received) {
  if (row_bytes(sent) != row_bytes(received)) {
    throw InvalidArgument(
        fmt::format("row exchange: a row of {} is {} bytes where it is sent, but {} where received",
                    name_of(sent.dtype()), row_bytes(sent), row_bytes(received)));
  }
}

/// Rows of a table where they are sent from in forward, and where they are received.
struct PlannedRows {
  std::int64_t sent;
  std::int64_t received;
};

void check_table(const ConstTensorView& sent, const ConstTensorView& received,
                 const PlannedRows& planned) {
  check_rows(sent, planned.sent, "sending");
  check_rows(received, planned.received, "receiving");
  check_equal_rows(sent, received);
}

template <class Byte>
View<Byte> bytes_of_rows(const BasicTensorView<Byte>& table, const ExchangePlan::Block& block) {
  const std::int64_t row = row_bytes(table);
  return View<Byte>(table.data(), table.bytes())
      .part(block.first_row * row, (block.first_row + block.num_rows) * row);
}

}  // namespace

void CountGather::start(View<const std::int32_t> count_C, Arena& scratch, Stream& stream) {
  const View<std::int32_t> matrix =
      scratch.push<std::int32_t>(communicator_->size() * count_C.size());
  communicator_->all_gather(bytes_of(count_C), bytes_of(matrix), stream);
  copy_.emplace(matrix, landed_, stream);
}

std::span<const std::int32_t> CountGather::wait() {
  require(copy_.has_value(), "CountGather::wait() without start()");
  return copy_->wait();
}

RowExchange::RowExchange(Communicator& communicator, int cells_per_rank)
    : communicator_(&communicator),
      cells_per_rank_(cells_per_rank),
      plan_(communicator.rank(), communicator.size(), cells_per_rank) {
  constexpr std::size_t kMostTables = 3;
  const auto most_blocks =
      static_cast<std::size_t>(communicator.size()) * static_cast<std::size_t>(cells_per_rank);
  sends_.reserve(kMostTables * most_blocks);
  receives_.reserve(kMostTables * most_blocks);
}

void RowExchange::forward(std::span<const RowJourney> tables, CellRange cells, Stream& stream) {
  for (const RowJourney& table : tables)
    check_table(table.from, table.to, {rows_sent(), rows_received()});
  move(tables, plan_.to(), plan_.from(), cells, stream);
}

void RowExchange::reverse(std::span<const RowJourney> tables, CellRange cells, Stream& stream) {
  for (const RowJourney& table : tables)
    check_table(table.to, table.from, {rows_sent(), rows_received()});
  move(tables, plan_.from(), plan_.to(), cells, stream);
}

void RowExchange::move(std::span<const RowJourney> tables, Blocks source, Blocks target,
                       CellRange cells, Stream& stream) {
  if (cells.begin < 0 || cells.begin > cells.end || cells.end > cells_per_rank_) {
    throw InvalidArgument(fmt::format("row exchange: cells [{}, {}) of {} on each rank",
                                      cells.begin, cells.end, cells_per_rank_));
  }
  sends_.clear();
  receives_.clear();
  for (const RowJourney& table : tables) {
    for (const ExchangePlan::Block& block : source) {
      if (cells.holds(block.cell)) sends_.push_back({block.peer, bytes_of_rows(table.from, block)});
    }
    for (const ExchangePlan::Block& block : target) {
      if (cells.holds(block.cell))
        receives_.push_back({block.peer, bytes_of_rows(table.to, block)});
    }
  }
  communicator_->exchange(sends_, receives_, stream);
}

}  // namespace softmoe::parallel
