#pragma once

// For files of parallel/nccl only.

#include <chrono>
#include <deque>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "parallel/rank_group.h"

namespace softmoe::parallel {

/// Operations of one rank, over all its communicators, that the device has not passed yet, in the
/// order of their calls, which is the order in which they run. Reuses its events. Guarded by
/// its owner.
class PendingOperations {
 public:
  using Clock = std::chrono::steady_clock;

  struct Operation {
    std::string_view name;  ///< a literal
    std::shared_ptr<const RankGroup> group;
    std::vector<Rank> peers;  ///< of the group, without the rank itself
    Clock::time_point since;  ///< when it was enqueued, or when the one before it had passed
    Accelerator::EventHandle event = nullptr;  ///< behind it on its stream
  };

  explicit PendingOperations(Accelerator& accelerator) : accelerator_(&accelerator) {}
  ~PendingOperations();
  PendingOperations(const PendingOperations&) = delete;
  PendingOperations& operator=(const PendingOperations&) = delete;

  /// Later work of `stream` starts only behind the newest operation.
  void order(const Stream& stream);
  /// Adds what has just been enqueued on `stream`. Empty peers stand for all others of the group.
  void push(std::string_view name, const std::shared_ptr<const RankGroup>& group,
            std::span<const Rank> peers, const Stream& stream);
  /// Forgets what the device has passed.
  void forget_passed();

  [[nodiscard]] bool empty() const { return pending_.empty(); }
  [[nodiscard]] const Operation& oldest() const { return pending_.front(); }
  [[nodiscard]] const Operation& newest() const { return pending_.back(); }

 private:
  Accelerator* accelerator_;
  std::deque<Operation> pending_;
  std::vector<Operation> spare_;
};

}  // namespace softmoe::parallel
