#pragma once

// Ragged all-to-all of rows, sized by one matrix that every rank holds. It knows cells, not
// experts.
//
// Letters: P ranks, C cells in all (P * cells_per_rank), N rows sent, M rows received.

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "parallel/communicator.h"
#include "parallel/exchange_plan.h"
#include "runtime/device/arena.h"
#include "runtime/device/host_copy.h"

namespace softmoe::parallel {

/// Everybody's row counts on every rank's host, under way while rows are packed.
class CountGather {
 public:
  explicit CountGather(Communicator& communicator) : communicator_(&communicator) {}

  /// Starts gathering. @param count_C [C] rows this rank has for each cell, on the device.
  /// @param scratch holds the device matrix; keep it until wait() has returned.
  void start(View<const std::int32_t> count_C, Arena& scratch, Stream& stream);
  /// The matrix [P, C]: rows of source s for cell c at s * C + c. Valid until the next start().
  [[nodiscard]] std::span<const std::int32_t> wait();

 private:
  Communicator* communicator_;
  HostBuffer<std::int32_t> landed_;
  std::optional<HostCopy<std::int32_t>> copy_;
};

/// Local cells [begin, end) of every rank: what one call of an exchange moves.
struct CellRange {
  int begin = 0;
  int end = 0;

  [[nodiscard]] bool holds(int cell) const { return begin <= cell && cell < end; }
};

/// A table of rows on its way: in forward from [N, row] to [M, row], in reverse the other way
/// round. Any element type, rows contiguous.
struct RowJourney {
  ConstTensorView from;
  TensorView to;
};

/// The plan of one exchange and of its reverse. Rows are sent ordered by cell; they arrive ordered
/// by (cell, source rank, order of sending), so the rows of a cell lie together. Room for the
/// largest plan of three tables is taken at construction: planning and moving them allocate
/// nothing.
class RowExchange {
 public:
  /// @param cells_per_rank cells [p * cells_per_rank, (p + 1) * cells_per_rank) live on rank p.
  RowExchange(Communicator& communicator, int cells_per_rank);

  /// @param count_PC the matrix of CountGather, equal on all ranks.
  /// @param wave     which part of the rows the following calls move; equal on all ranks
  /// @throws InvalidArgument on a wrong size, a negative count or a wave that there is not.
  void plan(std::span<const std::int32_t> count_PC, Wave wave = {}) { plan_.make(count_PC, wave); }

  [[nodiscard]] std::int64_t rows_sent() const { return plan_.rows_sent(); }  ///< N, of all waves
  /// M, or what of it the planned wave brings.
  [[nodiscard]] std::int64_t rows_received() const { return plan_.rows_received(); }
  /// First received row of each local cell, [cells_per_rank + 1]; the last entry is
  /// rows_received().
  [[nodiscard]] std::span<const std::int64_t> cell_begin() const { return plan_.cell_begin(); }
  /// The same for the rows of each rank in each cell: run P * cell + source, [cells_per_rank * P +
  /// 1]. A run is what one rank sent, in its order.
  [[nodiscard]] std::span<const std::int64_t> run_begin() const { return plan_.run_begin(); }
  /// Rows of all waves that this rank receives.
  [[nodiscard]] std::int64_t rows_received_in_all() const { return plan_.rows_received_in_all(); }
  /// Rows of all waves that this rank sends to other ranks.
  [[nodiscard]] std::int64_t rows_sent_off_rank() const { return plan_.rows_sent_off_rank(); }

  [[nodiscard]] CellRange all_cells() const { return {.begin = 0, .end = cells_per_rank_}; }

  /// Rows to their cells. Tables of one call travel together: over MPI as one message to each peer.
  /// An exchange may go in chunks of whole cells: together they move the same rows to the same
  /// places as one call. Of a wave the receiving side has the rows of that wave alone.
  void forward(std::span<const RowJourney> tables, CellRange cells, Stream& stream);
  /// Every row back to its place; a wave writes no others.
  void reverse(std::span<const RowJourney> tables, CellRange cells, Stream& stream);
  /// The same for one table and all cells at once.
  void forward(ConstTensorView sent, TensorView received, Stream& stream) {
    forward(std::array{RowJourney{sent, received}}, all_cells(), stream);
  }
  void reverse(ConstTensorView received, TensorView sent, Stream& stream) {
    reverse(std::array{RowJourney{received, sent}}, all_cells(), stream);
  }

 private:
  using Blocks = std::span<const ExchangePlan::Block>;

  /// @param source, target  where the blocks of a table lie on either side
  void move(std::span<const RowJourney> tables, Blocks source, Blocks target, CellRange cells,
            Stream& stream);

  Communicator* communicator_;
  int cells_per_rank_;
  ExchangePlan plan_;
  std::vector<SendMessage> sends_;
  std::vector<ReceiveMessage> receives_;
};

}  // namespace softmoe::parallel
