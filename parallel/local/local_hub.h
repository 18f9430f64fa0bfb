#pragma once

// What the threads of a LocalWorld share: letters between them, and the first failure.

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "parallel/rank_group.h"
#include "runtime/base/deadline.h"

namespace softmoe::parallel {

/// Memory that a sender offers. It stays untouched until the receiver has copied it.
struct Letter {
  View<const std::byte> data;
  std::string_view operation;  ///< what the sender is in: a literal
};

/// Letters from one rank to another, first in first out. Keeps its memory.
class Mailbox {
 public:
  /// Room for the letters of an exchange with some cells, so that a late one with more messages
  /// than those before rarely takes memory.
  Mailbox() { letters_.reserve(16); }

  [[nodiscard]] bool empty() const { return next_ == letters_.size(); }
  [[nodiscard]] int size() const { return static_cast<int>(letters_.size() - next_); }
  void push(Letter letter) { letters_.push_back(letter); }
  Letter pop();
  void clear();

 private:
  std::vector<Letter> letters_;
  std::size_t next_ = 0;
};

/// The mailboxes of one group; guarded by the hub.
struct LocalGroup {
  explicit LocalGroup(int size)
      : num_ranks(size), boxes(static_cast<std::size_t>(size) * static_cast<std::size_t>(size)) {}

  [[nodiscard]] Mailbox& box(Rank from, Rank to) {
    return boxes[static_cast<std::size_t>(from.value * num_ranks + to.value)];
  }

  int num_ranks;
  std::vector<Mailbox> boxes;
};

/// One lock for a world of threads. Every rank sleeps on a condition of its own.
class LocalHub {
 public:
  explicit LocalHub(int world_size) : ranks_(static_cast<std::size_t>(world_size)) {}

  /// Offers every non-empty message to another rank.
  void post(LocalGroup& boxes, std::span<const SendMessage> sends, const Waiting& waiting);
  /// Waits for the next letter of `message.from` and copies it.
  void take(LocalGroup& boxes, const ReceiveMessage& message, const Waiting& waiting,
            const Deadline& deadline);
  /// Waits until all that this rank has posted is copied.
  void wait_until_taken(LocalGroup& boxes, const Waiting& waiting, const Deadline& deadline);
  /// Takes back what nobody has begun to copy, and lets copies under way end: afterwards nobody
  /// reads the memory that this rank posted.
  void withdraw(LocalGroup& boxes, const RankGroup& group) noexcept;

  /// The boxes that all `size` ranks of one color meet at. @param split names the split: the boxes
  /// of the parent and the number of the split among those of the parent.
  [[nodiscard]] std::shared_ptr<LocalGroup> meet(
      std::tuple<const LocalGroup*, int, int> parent_split_color, int size);

  /// Wakes everybody. The first call counts. @param who in the world.
  void fail(Rank who, std::string_view reason) noexcept;

 private:
  struct PerRank {
    std::condition_variable wake;
    int untaken = 0;  ///< letters posted and not yet copied
  };
  struct Failure {
    Rank who;
    std::string reason;
  };
  struct Meeting {
    std::shared_ptr<LocalGroup> boxes;
    int expected = 0;  ///< ranks that have not come yet
  };
  using Lock = std::unique_lock<std::mutex>;

  [[nodiscard]] PerRank& per_rank(Rank in_world) {
    return ranks_[static_cast<std::size_t>(in_world.value)];
  }
  /// Sleeps until `ready()`; `late()` lists whom it waits for.
  template <class Ready, class Late>
  void wait(Lock& lock, const Waiting& waiting, const Deadline& deadline, Ready ready, Late late);
  void throw_if_failed(const Waiting& waiting) const;
  void fail_locked(Rank who, std::string_view reason);

  std::mutex mutex_;
  std::deque<PerRank> ranks_;
  std::optional<Failure> failure_;
  std::map<std::tuple<const LocalGroup*, int, int>, Meeting> meetings_;
};

}  // namespace softmoe::parallel
