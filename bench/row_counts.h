#pragma once

// Made-up counts of rows for measurements of the exchange. Letters: P ranks, C cells in all.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace softmoe::bench {

/// How the rows of a rank spread over cells.
enum class Spread : std::uint8_t {
  balanced,   ///< equally
  zipf,       ///< by 1 / place, every rank with the same order of cells
  hot_rank,   ///< half of all rows go to the cells of one rank
  idle_rank,  ///< balanced, but the last rank has no rows
  gaps,       ///< two of three cells get nothing from a rank, and every fifth nothing from anybody
};

[[nodiscard]] std::span<const std::string_view> spread_names();
/// @throws InvalidArgument naming the known ones
[[nodiscard]] Spread spread_of(std::string_view name);

/// A group of ranks and the rows that each of them has.
struct RowLoad {
  int ranks = 1;
  int cells_per_rank = 1;
  std::int64_t tokens = 0;  ///< of a rank; no cell gets more rows from it than that
  std::int64_t rows = 0;    ///< of a rank, at most tokens * cells
  Spread spread = Spread::balanced;

  [[nodiscard]] std::int64_t cells() const { return std::int64_t{ranks} * cells_per_rank; }
};

/// The matrix [P, C]: rows of source s for cell c at s * C + c. Equal loads give equal matrices.
/// Where a spread has too little room for the rows, a rank has fewer.
[[nodiscard]] std::vector<std::int32_t> make_row_counts(const RowLoad& load);

/// Rows between ranks, from a matrix [P, C].
class RowTotals {
 public:
  RowTotals(const RowLoad& load, std::span<const std::int32_t> count_PC);

  [[nodiscard]] std::int64_t between(int source, int target) const {
    return rows_PP_[static_cast<std::size_t>(source * ranks_ + target)];
  }
  [[nodiscard]] std::int64_t off_rank() const { return off_rank_; }
  /// Most rows that one rank sends to others or receives from them.
  [[nodiscard]] std::int64_t busiest() const { return busiest_; }

 private:
  int ranks_;
  std::vector<std::int64_t> rows_PP_;
  std::int64_t off_rank_ = 0;
  std::int64_t busiest_ = 0;
};

}  // namespace softmoe::bench
