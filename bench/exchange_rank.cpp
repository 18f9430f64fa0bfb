#include "bench/exchange_rank.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <numeric>

#include "bench/tagged_rows.h"
#include "runtime/base/errors.h"

namespace softmoe::bench {

namespace {

constexpr std::int64_t kWord = sizeof(std::uint32_t);

std::int64_t sum(std::span<const std::int32_t> counts) {
  return std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
}

/// Row `row` of a tensor or of bytes, as its elements.
std::span<std::uint32_t> row_at(void* rows, std::int64_t row, std::int64_t row_bytes) {
  return {static_cast<std::uint32_t*>(rows) + row * row_bytes / kWord,
          static_cast<std::size_t>(row_bytes / kWord)};
}

void scribble(void* data, std::int64_t bytes) {
  if (bytes > 0) std::memset(data, 0xa5, static_cast<std::size_t>(bytes));
}

void check_row_bytes(std::int64_t row_bytes) {
  if (row_bytes < kMinTaggedRowBytes || row_bytes % kWord != 0)
    throw InvalidArgument(
        fmt::format("a row of {} bytes: it must be a multiple of {}, and {} at least", row_bytes,
                    kWord, kMinTaggedRowBytes));
}

/// Room for the counts, for rows as they leave, arrive and return, and for gates both ways.
Bytes room(const RowLoad& load, std::span<const std::int32_t> count_PC, int rank,
           std::int64_t row_bytes) {
  const std::int64_t cells = load.cells();
  std::int64_t sent = 0;
  std::int64_t received = 0;
  for (std::int64_t i = 0; i < std::ssize(count_PC); ++i) {
    const std::int64_t rows = count_PC[static_cast<std::size_t>(i)];
    if (i / cells == rank) sent += rows;
    if (i % cells / load.cells_per_rank == rank) received += rows;
  }
  return Bytes((2 * sent + received) * (row_bytes + kWord) + (load.ranks + 1) * cells * kWord +
               8 * arena_room(1));
}

}  // namespace

ExchangeRank::ExchangeRank(parallel::Communicator& communicator, const RowLoad& load,
                           std::span<const std::int32_t> count_PC, std::int64_t row_bytes)
    : communicator_(communicator),
      load_(load),
      row_bytes_(row_bytes),
      count_PC_(count_PC),
      device_({.backend = Backend::cpu, .num_threads = 1}),
      stream_(device_),
      arena_(device_, room(load, count_PC_, communicator.rank().value, row_bytes)),
      gather_(communicator),
      exchange_(communicator, load.cells_per_rank),
      count_C_(arena_.push<std::int32_t>(load.cells())) {
  check_row_bytes(row_bytes);
  const std::int64_t me = communicator.rank().value;
  const std::span<const std::int32_t> mine = count_PC_.subspan(
      static_cast<std::size_t>(me * load.cells()), static_cast<std::size_t>(load.cells()));
  upload(mine, count_C_, stream_);
  stream_.synchronize();
  exchange_.plan(count_PC_);
  sent_ = rows(sum(mine));
  returned_ = rows(sum(mine));
  received_ = rows(exchange_.rows_received());
  gates_sent_ = arena_.push(DType::f32, {sum(mine)});
  gates_received_ = arena_.push(DType::f32, {exchange_.rows_received()});
  scribble(gates_sent_.data(), gates_sent_.bytes());

  std::int64_t row = 0;
  for (std::int64_t cell = 0; cell < load.cells(); ++cell) {
    for (std::int64_t i = 0; i < count(me, cell); ++i, ++row) {
      write_tagged_row(row_at(sent_.data(), row, row_bytes),
                       {.source = static_cast<int>(me), .cell = cell, .index = i});
    }
  }
  forget();
}

TensorView ExchangeRank::rows(std::int64_t count) {
  return arena_.push(DType::i32, {count, row_bytes_ / kWord});
}

void ExchangeRank::gather() {
  const ArenaScope scope(arena_);
  gather_.start(count_C_, arena_, stream_);
  gathered_PC_ = gather_.wait();
  exchange_.plan(gathered_PC_);
}

std::int64_t ExchangeRank::wrong_counts() const {
  std::int64_t wrong = std::abs(std::ssize(gathered_PC_) - std::ssize(count_PC_));
  for (std::size_t i = 0; i < std::min(gathered_PC_.size(), count_PC_.size()); ++i) {
    if (gathered_PC_[i] != count_PC_[i]) ++wrong;
  }
  return wrong;
}

void ExchangeRank::forward(bool with_gates) {
  const std::array<parallel::RowJourney, 2> tables = {
      {{sent_, received_}, {gates_sent_, gates_received_}}};
  exchange_.forward(std::span(tables).first(with_gates ? 2 : 1), exchange_.all_cells(), stream_);
  stream_.synchronize();
}

void ExchangeRank::reverse(bool with_gates) {
  const std::array<parallel::RowJourney, 2> tables = {
      {{received_, returned_}, {gates_received_, gates_sent_}}};
  exchange_.reverse(std::span(tables).first(with_gates ? 2 : 1), exchange_.all_cells(), stream_);
  stream_.synchronize();
}

std::int64_t ExchangeRank::wrong_received() const {
  std::int64_t wrong = 0;
  std::int64_t row = 0;
  const std::int64_t me = communicator_.rank().value;
  for (std::int64_t cell = me * load_.cells_per_rank; cell < (me + 1) * load_.cells_per_rank;
       ++cell) {
    for (int source = 0; source < load_.ranks; ++source) {
      for (std::int64_t i = 0; i < count(source, cell); ++i, ++row) {
        wrong += count_wrong_elements(row_at(received_.data(), row, row_bytes_),
                                      {.source = source, .cell = cell, .index = i});
      }
    }
  }
  return wrong;
}

std::int64_t ExchangeRank::wrong_returned() const {
  std::int64_t wrong = 0;
  std::int64_t row = 0;
  const int me = communicator_.rank().value;
  for (std::int64_t cell = 0; cell < load_.cells(); ++cell) {
    for (std::int64_t i = 0; i < count(me, cell); ++i, ++row) {
      wrong += count_wrong_elements(row_at(returned_.data(), row, row_bytes_),
                                    {.source = me, .cell = cell, .index = i});
    }
  }
  return wrong;
}

void ExchangeRank::forget() {
  scribble(received_.data(), received_.bytes());
  scribble(returned_.data(), returned_.bytes());
}

PaddedExchange::PaddedExchange(parallel::Communicator& communicator, const RowLoad& load,
                               int max_experts, std::int64_t row_bytes)
    : communicator_(communicator),
      load_(load),
      row_bytes_(row_bytes),
      slots_((load.tokens * max_experts + load.cells() - 1) / load.cells()),
      device_({.backend = Backend::cpu, .num_threads = 1}),
      stream_(device_),
      arena_(device_, Bytes(2 * load.cells() * slots_ * row_bytes + 2 * arena_room(1))),
      sent_(arena_.push<std::byte>(load.cells() * slots_ * row_bytes)),
      received_(arena_.push<std::byte>(load.cells() * slots_ * row_bytes)) {
  check_row_bytes(row_bytes);
  const int me = communicator.rank().value;
  const std::int64_t part = load.cells_per_rank * slots_ * row_bytes;
  for (std::int64_t cell = 0; cell < load.cells(); ++cell) {
    for (std::int64_t i = 0; i < slots_; ++i)
      write_tagged_row(row_at(sent_.data(), cell * slots_ + i, row_bytes),
                       {.source = me, .cell = cell, .index = i});
  }
  for (int peer = 0; peer < load.ranks; ++peer) {
    sends_.push_back({Rank(peer), sent_.part(peer * part, (peer + 1) * part)});
    receives_.push_back({Rank(peer), received_.part(peer * part, (peer + 1) * part)});
  }
  forget();
}

void PaddedExchange::forward() {
  communicator_.exchange(sends_, receives_, stream_);
  stream_.synchronize();
}

std::int64_t PaddedExchange::wrong_received() const {
  std::int64_t wrong = 0;
  std::int64_t row = 0;
  const std::int64_t first_cell = std::int64_t{communicator_.rank().value} * load_.cells_per_rank;
  for (int source = 0; source < load_.ranks; ++source) {
    for (std::int64_t cell = first_cell; cell < first_cell + load_.cells_per_rank; ++cell) {
      for (std::int64_t i = 0; i < slots_; ++i, ++row)
        wrong += count_wrong_elements(row_at(received_.data(), row, row_bytes_),
                                      {.source = source, .cell = cell, .index = i});
    }
  }
  return wrong;
}

void PaddedExchange::forget() {
  scribble(received_.data(), received_.bytes());
}

std::int64_t PaddedExchange::bytes_off_rank() const {
  return (load_.ranks - 1) * load_.cells_per_rank * slots_ * row_bytes_;
}

std::int64_t rows_over(std::span<const std::int32_t> count_PC, std::int64_t slots) {
  return std::accumulate(count_PC.begin(), count_PC.end(), std::int64_t{0},
                         [slots](std::int64_t over, std::int32_t count) {
                           return over + std::max<std::int64_t>(count - slots, 0);
                         });
}

}  // namespace softmoe::bench
