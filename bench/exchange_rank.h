#pragma once

// One rank of a measured exchange: its rows, the real code that moves them, and the check of every
// element. Letters: P ranks, C cells in all, N rows sent, M rows received.

#include <cstdint>
#include <span>
#include <vector>

#include "bench/row_counts.h"
#include "parallel/row_exchange.h"
#include "runtime/device/arena.h"
#include "runtime/device/device.h"
#include "runtime/device/stream.h"

namespace softmoe::bench {

/// Moves rows of made-up counts over a communicator. Every rank of the group makes the same calls;
/// each returns when this rank's part of the move is over.
class ExchangeRank {
 public:
  /// @param communicator  outlives this object
  /// @param count_PC      make_row_counts(load); outlives this object, and ranks of one process may
  ///                      share it
  /// @param row_bytes     a multiple of 4, at least kMinTaggedRowBytes
  ExchangeRank(parallel::Communicator& communicator, const RowLoad& load,
               std::span<const std::int32_t> count_PC, std::int64_t row_bytes);

  /// Gathers the counts and plans the exchange by them.
  void gather();
  /// Counts of the last gather() that are not those of the load.
  [[nodiscard]] std::int64_t wrong_counts() const;
  /// Rows to their cells, and back. With gates: a message of 4 bytes a row beside each.
  void forward(bool with_gates);
  void reverse(bool with_gates);

  /// What the last forward() put in a wrong place; destroyed by forget().
  [[nodiscard]] std::int64_t wrong_received() const;
  /// The same of the last reverse().
  [[nodiscard]] std::int64_t wrong_returned() const;
  /// Overwrites what arrived, so that rows of an earlier move cannot pass for those of the next.
  void forget();

  [[nodiscard]] std::int64_t rows_sent() const { return exchange_.rows_sent(); }
  [[nodiscard]] std::int64_t rows_received() const { return exchange_.rows_received(); }
  [[nodiscard]] std::int64_t row_bytes() const { return row_bytes_; }

 private:
  [[nodiscard]] TensorView rows(std::int64_t count);
  [[nodiscard]] std::int32_t count(std::int64_t source, std::int64_t cell) const {
    return count_PC_[static_cast<std::size_t>(source * load_.cells() + cell)];
  }

  parallel::Communicator& communicator_;
  RowLoad load_;
  std::int64_t row_bytes_;
  std::span<const std::int32_t> count_PC_;
  CpuDevice device_;
  Stream stream_;
  Arena arena_;
  parallel::CountGather gather_;
  std::span<const std::int32_t> gathered_PC_;
  parallel::RowExchange exchange_;
  View<std::int32_t> count_C_;
  TensorView sent_, received_, returned_;
  TensorView gates_sent_, gates_received_;
};

/// The same rows moved as systems of static shapes move them: as many slots per (source, cell) as
/// the most experts of a token allow, filled or not, no counts.
class PaddedExchange {
 public:
  /// @param max_experts  K_max: slots of a token. A (source, cell) gets ceil(T * K_max / C) slots.
  PaddedExchange(parallel::Communicator& communicator, const RowLoad& load, int max_experts,
                 std::int64_t row_bytes);

  void forward();
  [[nodiscard]] std::int64_t wrong_received() const;
  void forget();

  [[nodiscard]] std::int64_t slots() const { return slots_; }  ///< of a (source, cell)
  /// Bytes that this rank sends to others in one move.
  [[nodiscard]] std::int64_t bytes_off_rank() const;

 private:
  parallel::Communicator& communicator_;
  RowLoad load_;
  std::int64_t row_bytes_;
  std::int64_t slots_;
  CpuDevice device_;
  Stream stream_;
  Arena arena_;
  View<std::byte> sent_, received_;
  std::vector<parallel::SendMessage> sends_;
  std::vector<parallel::ReceiveMessage> receives_;
};

/// Rows of a matrix that do not fit into `slots` for each (source, cell).
[[nodiscard]] std::int64_t rows_over(std::span<const std::int32_t> count_PC, std::int64_t slots);

}  // namespace softmoe::bench
