#pragma once

// Messages under way, polled together. For files of parallel/mpi only.

#include <mpi.h>

#include <cstdint>
#include <vector>

#include "parallel/rank_group.h"

namespace softmoe::parallel {

/// Non-blocking sends and receives of one operation. Keeps its memory: after the largest operation
/// so far it allocates nothing.
class MpiRequests {
 public:
  /// Where messages of one operation match.
  struct Channel {
    MPI_Comm comm;
    int tag = 0;
    std::int64_t max_message_bytes = 0;  ///< larger ones go in pieces, equally cut on both sides
  };

  /// Forgets the operation before, which has ended. @param waiting for messages of errors; outlives
  /// the operation.
  void begin(Channel channel, const Waiting& waiting);
  void receive(const ReceiveMessage& message);
  void send(const SendMessage& message);

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

  MPI_Request& add(Rank peer, Direction direction, std::int64_t bytes);
  void check_part(std::size_t index, const MPI_Status& status) const;

  Channel channel_{};
  const Waiting* waiting_ = nullptr;
  std::vector<MPI_Request> requests_;
  std::vector<Part> parts_;  ///< of each request
  std::vector<int> done_;
  std::vector<MPI_Status> statuses_;
  std::size_t num_done_ = 0;
  std::int64_t pending_bytes_ = 0;
};

}  // namespace softmoe::parallel
