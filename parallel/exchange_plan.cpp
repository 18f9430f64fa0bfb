#include "parallel/exchange_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/base/errors.h"

namespace softmoe::parallel {

namespace {

/// The count matrix [P, C] with its sizes.
struct Counts {
  std::span<const std::int32_t> count_PC;
  int num_ranks = 1;
  int cells_per_rank = 0;

  [[nodiscard]] std::int64_t of(int source, int rank, int local) const {
    const std::int64_t cells = static_cast<std::int64_t>(num_ranks) * cells_per_rank;
    const std::int64_t cell = static_cast<std::int64_t>(rank) * cells_per_rank + local;
    return count_PC[static_cast<std::size_t>(source * cells + cell)];
  }
  [[nodiscard]] std::int64_t received_by(int rank) const {
    std::int64_t rows = 0;
    for (int local = 0; local < cells_per_rank; ++local) {
      for (int source = 0; source < num_ranks; ++source) rows += of(source, rank, local);
    }
    return rows;
  }
};

RowRange common(RowRange a, RowRange b) {
  const std::int64_t begin = std::max(a.begin, b.begin);
  return {.begin = begin, .end = std::max(begin, std::min(a.end, b.end))};
}

}  // namespace

RowRange rows_of_wave(std::int64_t rows, Wave wave) {
  // rows * index could overflow; share and remainder do not.
  const std::int64_t share = rows / wave.count;
  const std::int64_t left_over = rows % wave.count;
  const auto begin_of = [&](std::int64_t index) {
    return index * share + std::min(index, left_over);
  };
  return {.begin = begin_of(wave.index), .end = begin_of(wave.index + 1)};
}

std::int64_t waves_needed(std::span<const std::int32_t> count_PC, int num_ranks,
                          std::int64_t max_rows) {
  require(num_ranks > 0 && max_rows >= 0, "a bound of rows is 0 (none) or above");
  const std::int64_t cells = std::ssize(count_PC) / num_ranks;
  if (max_rows == 0 || cells == 0) return 1;
  const Counts counts{count_PC, num_ranks, static_cast<int>(cells / num_ranks)};
  std::int64_t most = 0;
  for (int rank = 0; rank < num_ranks; ++rank) most = std::max(most, counts.received_by(rank));
  return std::max<std::int64_t>(1, most / max_rows + (most % max_rows == 0 ? 0 : 1));
}

ExchangePlan::ExchangePlan(Rank rank, int num_ranks, int cells_per_rank)
    : rank_(rank),
      num_ranks_(num_ranks),
      cells_per_rank_(cells_per_rank),
      cell_begin_(static_cast<std::size_t>(cells_per_rank) + 1) {
  require(cells_per_rank >= 0, "a rank has a negative number of cells");
  run_begin_.resize(static_cast<std::size_t>(num_cells()) + 1);
  to_.reserve(static_cast<std::size_t>(num_cells()));
  from_.reserve(static_cast<std::size_t>(num_cells()));
}

void ExchangePlan::check(std::span<const std::int32_t> count_PC, Wave wave) const {
  if (std::ssize(count_PC) != num_ranks_ * num_cells()) {
    throw InvalidArgument(
        fmt::format("row exchange: {} counts for {} ranks with {} cells in all, expected {}",
                    count_PC.size(), num_ranks_, num_cells(), num_ranks_ * num_cells()));
  }
  for (std::size_t i = 0; i < count_PC.size(); ++i) {
    if (count_PC[i] < 0) {
      throw InvalidArgument(fmt::format("row exchange: rank {} has {} rows for cell {}",
                                        static_cast<std::int64_t>(i) / num_cells(), count_PC[i],
                                        static_cast<std::int64_t>(i) % num_cells()));
    }
  }
  if (wave.index < 0 || wave.index >= wave.count) {
    throw InvalidArgument(
        fmt::format("row exchange: wave {} of {}, counted from 0", wave.index, wave.count));
  }
}

void ExchangePlan::make(std::span<const std::int32_t> count_PC, Wave wave) {
  check(count_PC, wave);
  make_to(count_PC, wave);
  make_from(count_PC, wave);
}

void ExchangePlan::make_to(std::span<const std::int32_t> count_PC, Wave wave) {
  const Counts counts{count_PC, num_ranks_, cells_per_rank_};
  to_.clear();
  rows_sent_ = 0;
  rows_sent_off_rank_ = 0;
  for (int peer = 0; peer < num_ranks_; ++peer) {
    const RowRange in_wave = rows_of_wave(counts.received_by(peer), wave);
    std::int64_t arrived = 0;
    for (int local = 0; local < cells_per_rank_; ++local) {
      for (int source = 0; source < num_ranks_; ++source) {
        const std::int64_t begin = arrived;
        arrived += counts.of(source, peer, local);
        if (source != rank_.value) continue;
        const RowRange moved = common({begin, arrived}, in_wave);
        if (moved.end > moved.begin) {
          to_.push_back({.peer = Rank(peer),
                         .cell = local,
                         .first_row = rows_sent_ + moved.begin - begin,
                         .num_rows = moved.end - moved.begin});
        }
        rows_sent_ += arrived - begin;
        if (peer != rank_.value) rows_sent_off_rank_ += arrived - begin;
      }
    }
  }
}

void ExchangePlan::make_from(std::span<const std::int32_t> count_PC, Wave wave) {
  const Counts counts{count_PC, num_ranks_, cells_per_rank_};
  from_.clear();
  rows_received_in_all_ = counts.received_by(rank_.value);
  const RowRange in_wave = rows_of_wave(rows_received_in_all_, wave);
  std::int64_t arrived = 0;
  // Listed by cell, so each source's blocks stand in the order in which it sends them.
  for (int local = 0; local < cells_per_rank_; ++local) {
    cell_begin_[static_cast<std::size_t>(local)] =
        std::clamp(arrived, in_wave.begin, in_wave.end) - in_wave.begin;
    for (int source = 0; source < num_ranks_; ++source) {
      const std::int64_t begin = arrived;
      arrived += counts.of(source, rank_.value, local);
      const RowRange moved = common({begin, arrived}, in_wave);
      run_begin_[static_cast<std::size_t>(local * num_ranks_ + source)] =
          std::clamp(begin, in_wave.begin, in_wave.end) - in_wave.begin;
      if (moved.end == moved.begin) continue;
      from_.push_back({.peer = Rank(source),
                       .cell = local,
                       .first_row = moved.begin - in_wave.begin,
                       .num_rows = moved.end - moved.begin});
    }
  }
  cell_begin_.back() = in_wave.end - in_wave.begin;
  run_begin_.back() = cell_begin_.back();
}

}  // namespace softmoe::parallel
