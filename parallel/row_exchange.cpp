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
      plan_(communicator.rank(), communicator.size(), cells_per_rank) {
  const auto most_blocks =
      static_cast<std::size_t>(communicator.size()) * static_cast<std::size_t>(cells_per_rank);
  sends_.reserve(most_blocks);
  receives_.reserve(most_blocks);
}

void RowExchange::forward(ConstTensorView sent, TensorView received, CellRange cells,
                          Stream& stream) {
  check_rows(sent, rows_sent(), "sending");
  check_rows(received, rows_received(), "receiving");
  check_equal_rows(sent, received);
  move({sent, plan_.to()}, {received, plan_.from()}, cells, stream);
}

void RowExchange::reverse(ConstTensorView received, TensorView sent, CellRange cells,
                          Stream& stream) {
  check_rows(sent, rows_sent(), "sending");
  check_rows(received, rows_received(), "receiving");
  check_equal_rows(sent, received);
  move({received, plan_.from()}, {sent, plan_.to()}, cells, stream);
}

void RowExchange::move(const Side<ConstTensorView>& source, const Side<TensorView>& target,
                       CellRange cells, Stream& stream) {
  if (cells.begin < 0 || cells.begin > cells.end || cells.end > cells_per_rank_) {
    throw InvalidArgument(fmt::format("row exchange: cells [{}, {}) of {} on each rank",
                                      cells.begin, cells.end, cells_per_rank_));
  }
  const auto is_moved = [cells](const ExchangePlan::Block& block) {
    return cells.begin <= block.cell && block.cell < cells.end;
  };
  sends_.clear();
  receives_.clear();
  for (const ExchangePlan::Block& block : source.blocks) {
    if (!is_moved(block)) continue;
    sends_.push_back({block.peer, bytes_of_rows(source.rows, block.first_row, block.num_rows)});
  }
  for (const ExchangePlan::Block& block : target.blocks) {
    if (!is_moved(block)) continue;
    receives_.push_back({block.peer, bytes_of_rows(target.rows, block.first_row, block.num_rows)});
  }
  communicator_->exchange(sends_, receives_, stream);
}

}  // namespace softmoe::parallel
