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

/// Rows [first_row, first_row + num_rows) as bytes.
template <class Byte>
View<Byte> bytes_of_rows(const BasicTensorView<Byte>& tensor, std::int64_t first_row,
                         std::int64_t num_rows) {
  const std::int64_t row = row_bytes(tensor);
  return View<Byte>(tensor.data(), tensor.bytes())
      .part(first_row * row, (first_row + num_rows) * row);
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
      cell_begin_(static_cast<std::size_t>(cells_per_rank) + 1) {
  require(cells_per_rank >= 0, "a rank has a negative number of cells");
  const auto most_blocks =
      static_cast<std::size_t>(communicator.size()) * static_cast<std::size_t>(cells_per_rank);
  run_begin_.resize(most_blocks + 1);
  to_.reserve(most_blocks);
  from_.reserve(most_blocks);
  sends_.reserve(most_blocks);
  receives_.reserve(most_blocks);
}

void RowExchange::plan(std::span<const std::int32_t> count_PC) {
  const int size = communicator_->size();
  const int me = communicator_->rank().value;
  const std::int64_t num_cells = static_cast<std::int64_t>(size) * cells_per_rank_;
  if (std::ssize(count_PC) != size * num_cells) {
    throw InvalidArgument(
        fmt::format("row exchange: {} counts for {} ranks with {} cells in all, expected {}",
                    count_PC.size(), size, num_cells, size * num_cells));
  }
  for (std::size_t i = 0; i < count_PC.size(); ++i) {
    if (count_PC[i] < 0) {
      throw InvalidArgument(fmt::format("row exchange: rank {} has {} rows for cell {}",
                                        static_cast<std::int64_t>(i) / num_cells, count_PC[i],
                                        static_cast<std::int64_t>(i) % num_cells));
    }
  }
  const auto count = [&](int source, std::int64_t cell) {
    return count_PC[static_cast<std::size_t>(source * num_cells + cell)];
  };

  to_.clear();
  rows_sent_ = 0;
  rows_sent_off_rank_ = 0;
  for (std::int64_t cell = 0; cell < num_cells; ++cell) {
    const std::int64_t num_rows = count(me, cell);
    if (num_rows == 0) continue;
    const Rank peer(static_cast<int>(cell / cells_per_rank_));
    to_.push_back({.peer = peer,
                   .cell = static_cast<int>(cell % cells_per_rank_),
                   .first_row = rows_sent_,
                   .num_rows = num_rows});
    rows_sent_ += num_rows;
    if (peer.value != me) rows_sent_off_rank_ += num_rows;
  }

  // Listed by cell, so each source's blocks stand in the order in which it sends them.
  from_.clear();
  rows_received_ = 0;
  for (int local = 0; local < cells_per_rank_; ++local) {
    cell_begin_[static_cast<std::size_t>(local)] = rows_received_;
    for (int source = 0; source < size; ++source) {
      const std::int64_t num_rows = count(source, std::int64_t{me} * cells_per_rank_ + local);
      run_begin_[static_cast<std::size_t>(local * size + source)] = rows_received_;
      if (num_rows == 0) continue;
      from_.push_back(
          {.peer = Rank(source), .cell = local, .first_row = rows_received_, .num_rows = num_rows});
      rows_received_ += num_rows;
    }
  }
  cell_begin_.back() = rows_received_;
  run_begin_.back() = rows_received_;
}

void RowExchange::forward(ConstTensorView sent, TensorView received, CellRange cells,
                          Stream& stream) {
  check_rows(sent, rows_sent_, "sending");
  check_rows(received, rows_received_, "receiving");
  check_equal_rows(sent, received);
  move({sent, to_}, {received, from_}, cells, stream);
}

void RowExchange::reverse(ConstTensorView received, TensorView sent, CellRange cells,
                          Stream& stream) {
  check_rows(sent, rows_sent_, "sending");
  check_rows(received, rows_received_, "receiving");
  check_equal_rows(sent, received);
  move({received, from_}, {sent, to_}, cells, stream);
}

void RowExchange::move(const Side<ConstTensorView>& source, const Side<TensorView>& target,
                       CellRange cells, Stream& stream) {
  if (cells.begin < 0 || cells.begin > cells.end || cells.end > cells_per_rank_) {
    throw InvalidArgument(fmt::format("row exchange: cells [{}, {}) of {} on each rank",
                                      cells.begin, cells.end, cells_per_rank_));
  }
  const auto is_moved = [cells](const Block& block) {
    return cells.begin <= block.cell && block.cell < cells.end;
  };
  sends_.clear();
  receives_.clear();
  for (const Block& block : source.blocks) {
    if (!is_moved(block)) continue;
    sends_.push_back({block.peer, bytes_of_rows(source.rows, block.first_row, block.num_rows)});
  }
  for (const Block& block : target.blocks) {
    if (!is_moved(block)) continue;
    receives_.push_back({block.peer, bytes_of_rows(target.rows, block.first_row, block.num_rows)});
  }
  communicator_->exchange(sends_, receives_, stream);
}

}  // namespace softmoe::parallel
