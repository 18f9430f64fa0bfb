#pragma once

// Ranks as threads of one process: the communicator of tests, and of small runs without MPI.

#include <memory>
#include <vector>

#include "parallel/communicator.h"

namespace softmoe::parallel {

class LocalHub;
struct LocalGroup;

/// A world of `size` ranks in this process. Memory goes straight from the sender's to the
/// receiver's in one copy, made by the receiver; an operation returns when its messages are taken.
///
/// The first rank that fails, by a deadline or by abort(), wakes all others with a CommError that
/// names it; the world is unusable afterwards.
class LocalWorld {
 public:
  /// @param size at least 1.
  explicit LocalWorld(int size, CommOptions options = {});

  [[nodiscard]] int size() const { return size_; }
  /// The world as seen by `rank`, for one thread. Call it once per rank, from any thread; the
  /// result may outlive this object.
  [[nodiscard]] std::unique_ptr<Communicator> communicator(Rank rank) const;

 private:
  int size_;
  CommOptions options_;
  // Shared: the threads of a world end in any order, the last one frees it.
  std::shared_ptr<LocalHub> hub_;
  std::shared_ptr<LocalGroup> group_;
};

}  // namespace softmoe::parallel
