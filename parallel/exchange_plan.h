#pragma once

// Which rows travel where in an exchange: a pure function of one matrix that every rank holds.
//
// Letters: P ranks, C cells in all (P * cells_per_rank), N rows sent, M rows received.

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/base/strong.h"

namespace softmoe::parallel {

/// One of the parts in which rows arrive where they may not all be held at once.
struct Wave {
  std::int64_t index = 0;
  std::int64_t count = 1;  ///< 1: all rows at once
};

/// Rows [begin, end).
struct RowRange {
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

/// The rows of `rows`, in the order of arrival, that come in a wave: neighbours, each row in
/// exactly one wave, and no wave with more than one row above another.
[[nodiscard]] RowRange rows_of_wave(std::int64_t rows, Wave wave);

/// The least number of waves in which no rank receives more than `max_rows` at once; 1 where rows
/// are few, or max_rows is 0: no bound.
/// @param count_PC rows of source s for cell c at s * C + c
[[nodiscard]] std::int64_t waves_needed(std::span<const std::int32_t> count_PC, int num_ranks,
                                        std::int64_t max_rows);

/// One rank's side of an exchange and of its reverse. Rows are sent ordered by cell; they arrive
/// ordered by (cell, source rank, order of sending). A wave brings every rank its share of its
/// rows, next to each other in that order, so a rank's waves behind one another are what it would
/// receive at once. Room for the largest plan is taken at construction.
class ExchangePlan {
 public:
  /// Rows that travel between this rank and `peer` for one cell.
  struct Block {
    Rank peer;
    int cell = 0;                ///< local to the rank that holds it
    std::int64_t first_row = 0;  ///< of the N rows sent, or of the rows received in the wave
    std::int64_t num_rows = 0;
  };

  ExchangePlan(Rank rank, int num_ranks, int cells_per_rank);

  /// @param count_PC as for waves_needed(), equal on all ranks. Allocates nothing.
  /// @throws InvalidArgument on a wrong size, a negative count or a wave that there is not
  void make(std::span<const std::int32_t> count_PC, Wave wave);

  [[nodiscard]] std::int64_t rows_sent() const { return rows_sent_; }  ///< N, of all waves
  [[nodiscard]] std::int64_t rows_sent_off_rank() const { return rows_sent_off_rank_; }
  /// M, of all waves.
  [[nodiscard]] std::int64_t rows_received_in_all() const { return rows_received_in_all_; }
  /// Of the wave.
  [[nodiscard]] std::int64_t rows_received() const { return cell_begin_.back(); }
  /// First row of each local cell among the rows received in the wave, [cells_per_rank + 1].
  [[nodiscard]] std::span<const std::int64_t> cell_begin() const { return cell_begin_; }
  /// The same for the rows of each source in each cell: run num_ranks * cell + source,
  /// [cells_per_rank * num_ranks + 1].
  [[nodiscard]] std::span<const std::int64_t> run_begin() const { return run_begin_; }
  /// In the order of sending: by cell.
  [[nodiscard]] std::span<const Block> to() const { return to_; }
  /// By cell, then by source: the order of arrival.
  [[nodiscard]] std::span<const Block> from() const { return from_; }

 private:
  void check(std::span<const std::int32_t> count_PC, Wave wave) const;
  void make_to(std::span<const std::int32_t> count_PC, Wave wave);
  void make_from(std::span<const std::int32_t> count_PC, Wave wave);
  [[nodiscard]] std::int64_t num_cells() const {
    return static_cast<std::int64_t>(num_ranks_) * cells_per_rank_;
  }

  Rank rank_;
  int num_ranks_;
  int cells_per_rank_;
  std::int64_t rows_sent_ = 0;
  std::int64_t rows_sent_off_rank_ = 0;
  std::int64_t rows_received_in_all_ = 0;
  std::vector<std::int64_t> cell_begin_;
  std::vector<std::int64_t> run_begin_;
  std::vector<Block> to_;
  std::vector<Block> from_;
};

}  // namespace softmoe::parallel
