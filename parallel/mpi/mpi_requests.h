#pragma once

// Messages under way, polled together. For files of parallel/mpi only.

#include <mpi.h>

#include <cstdint>
#include <span>
#include <vector>

#include "parallel/rank_group.h"

namespace softmoe::parallel {

/// Non-blocking sends and receives of one operation. Keeps its memory: after the largest operation
/// so far it allocates nothing.
class MpiRequests {
 public:
  MpiRequests() = default;
  ~MpiRequests() { free_types(); }
  MpiRequests(const MpiRequests&) = delete;
  MpiRequests& operator=(const MpiRequests&) = delete;

  /// Where messages of one operation match.
  struct Channel {
    MPI_Comm comm;
    int tag = 0;
    std::int64_t max_message_bytes = 0;  ///< larger ones go in pieces, equally cut on both sides
  };

  /// Forgets the operation before, which has ended. @param waiting for messages of errors; outlives
  /// the operation.
  void begin(Channel channel, const Waiting& waiting);
  /// Parts that travel as one message, however they lie in memory: a fabric carries one message
  /// faster than many.
  void receive(Rank from, std::span<const View<std::byte>> parts);
  void send(Rank to, std::span<const View<const std::byte>> parts);
  void receive(Rank from, View<std::byte> data) { receive(from, std::span(&data, 1)); }
  void send(Rank to, View<const std::byte> data) { send(to, std::span(&data, 1)); }

  /// Drives progress once. Returns whether everything has arrived and left.
  /// @throws CommError if MPI reports an error, or a message has another size than expected.
  [[nodiscard]] bool poll();
  /// Bytes that had not arrived or left at the last poll.
  [[nodiscard]] std::int64_t pending_bytes() const { return pending_bytes_; }
  /// Ranks with messages under way, rising, each once.
  [[nodiscard]] std::vector<Rank> pending_peers() const;

 private:
  enum class Direction : std::uint8_t { receive, send };
  struct Part {
    Rank peer;
    Direction direction;
    std::int64_t bytes;
  };

  /// What lies behind one another in memory.
  struct Block {
    std::byte* begin;
    std::int64_t bytes;
  };

  /// Starts `blocks_` in pieces that MPI can count.
  void start(Rank peer, Direction direction);
  /// Starts what blocks [begin, end) of `piece_` hold.
  void start_piece(Rank peer, Direction direction, std::int64_t bytes);
  /// An MPI type for the blocks of `piece_`, counted from the first one's begin.
  [[nodiscard]] MPI_Datatype type_of_piece();
  void append(std::byte* begin, std::int64_t bytes, std::vector<Block>& to) const;
  void free_types();
  MPI_Request& add(Rank peer, Direction direction, std::int64_t bytes);
  void check_part(std::size_t index, const MPI_Status& status) const;

  Channel channel_{};
  const Waiting* waiting_ = nullptr;
  std::vector<MPI_Request> requests_;
  std::vector<Part> parts_;          ///< of each request
  std::vector<Block> blocks_;        ///< of the message that is being started
  std::vector<Block> piece_;         ///< of its piece
  std::vector<int> lengths_;         ///< of the blocks of a piece
  std::vector<MPI_Aint> places_;     ///< likewise
  std::vector<MPI_Datatype> types_;  ///< of pieces under way
  std::vector<int> done_;
  std::vector<MPI_Status> statuses_;
  std::size_t num_done_ = 0;
  std::int64_t pending_bytes_ = 0;
};

}  // namespace softmoe::parallel
