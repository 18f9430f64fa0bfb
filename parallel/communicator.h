#pragma once

// A group of ranks that exchange bytes. One interface; threads of one process (local/) and
// processes (mpi/) behind it.

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>

#include "runtime/base/strong.h"
#include "runtime/device/stream.h"
#include "runtime/device/view.h"

namespace softmoe::parallel {

/// Bytes to or from one peer. Both sides derive the size from the same numbers; an empty message is
/// skipped by both.
struct SendMessage {
  Rank to;
  View<const std::byte> data;
};
struct ReceiveMessage {
  Rank from;
  View<std::byte> data;
};

/// Every member of the group makes the same calls in the same order. Calls enqueue on the stream;
/// memory handed over must stay alive and unchanged until the stream has passed. Operations of all
/// communicators of one rank run in the order in which they were called, whatever their streams.
/// Used by one thread.
///
/// Floating-point sums never happen inside a communicator: see reduce.h.
/// @throws CommError (from the call, or from the wait that runs the work) naming operation, peer
/// and limit if a peer fails or is later than the timeout. The communicator is unusable afterwards.
class Communicator {
 public:
  virtual ~Communicator() = default;

  [[nodiscard]] virtual Rank rank() const = 0;
  [[nodiscard]] virtual int size() const = 0;

  /// Everybody's `mine` behind one another in `all`, by rank. Sizes are equal on all ranks.
  /// @param all  size() * mine.size() bytes; `mine` may be its own part of `all`.
  virtual void all_gather(View<const std::byte> mine, View<std::byte> all, Stream& stream) = 0;
  /// `data` of `root` on every rank.
  virtual void broadcast(View<std::byte> data, Rank root, Stream& stream) = 0;
  /// All sends and receives at once. Messages between a pair match in the order listed; a message
  /// to oneself is a copy. The lists are read before the call returns.
  virtual void exchange(std::span<const SendMessage> sends,
                        std::span<const ReceiveMessage> receives, Stream& stream) = 0;
  /// Returns (on the host) when every rank has called it.
  virtual void barrier() = 0;
  /// The ranks that gave the same `color`, ordered by `key`. Collective.
  [[nodiscard]] virtual std::unique_ptr<Communicator> split(int color, int key) = 0;
  /// Tells the peers, as far as possible, that this rank gives up; never throws.
  virtual void abort() noexcept = 0;
};

/// How long an operation may wait for its peers.
struct CommOptions {
  std::chrono::milliseconds timeout{std::chrono::minutes(5)};
};

}  // namespace softmoe::parallel
