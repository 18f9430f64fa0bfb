#pragma once

// The experts of a rank in neighbouring chunks, so that the rows of one chunk travel while those of
// another are worked on. Letters: M rows received, e experts on this rank, Q chunks.

#include <cstdint>
#include <span>
#include <vector>

#include "parallel/row_exchange.h"

namespace softmoe::experts {

/// Experts [experts.begin, experts.end) of this rank and their rows.
struct ExpertChunk {
  parallel::CellRange experts;
  std::int64_t row_begin = 0;  ///< of the M rows received
  std::int64_t row_end = 0;
  /// Of each run of each expert, [experts * runs + 1], counted from row_begin.
  std::span<const std::int64_t> row_begin_of_each;
};

/// Chunks are of experts and not of tokens: the counts that were gathered say everything about
/// them, rows keep their places, and the gradient of an expert's weights stays one product.
class ExpertChunks {
 public:
  /// @param wanted  Q >= 1; more than the experts here are not made
  /// @param runs    that the rows of each expert come in (ops::GroupedGemmArguments::runs)
  ExpertChunks(int experts_here, int wanted, int runs = 1);

  [[nodiscard]] int size() const { return static_cast<int>(chunks_.size()); }
  [[nodiscard]] const ExpertChunk& operator[](int chunk) const {
    return chunks_[static_cast<std::size_t>(chunk)];
  }
  /// Takes over where the rows of each run begin; allocates nothing.
  /// @param row_begin  [e * runs + 1], the last entry is M
  void plan(std::span<const std::int64_t> row_begin);

 private:
  int runs_;
  std::vector<ExpertChunk> chunks_;
  std::vector<std::int64_t> row_begin_of_each_;  ///< of all chunks behind one another
};

}  // namespace softmoe::experts
