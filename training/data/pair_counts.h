#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace softmoe::training {

/// How often each token follows each other token. A table of V·V counters while that takes at most
/// 256 MiB (V <= 8,192), above that a hash table of the pairs that occur.
class PairCounts {
 public:
  /// @param vocab_size  V, in [1, 2^31).
  explicit PairCounts(std::int64_t vocab_size);

  /// Memory of the table of V·V counters; 0 where the pairs are too many for it.
  [[nodiscard]] static std::int64_t table_bytes(std::int64_t vocab_size);

  /// Counts one more `next` after `previous`; both in [0, V). A counter stays at 2^32 - 1.
  void add(std::int32_t previous, std::int32_t next) {
    std::uint32_t& counter =
        dense_.empty() ? slot_for(key(previous, next)) : dense_[key(previous, next)];
    counter += counter != UINT32_MAX ? 1 : 0;
  }

  [[nodiscard]] std::uint32_t count(std::int32_t previous, std::int32_t next) const {
    return dense_.empty() ? slots_[place_of(key(previous, next))].count
                          : dense_[key(previous, next)];
  }

 private:
  struct Slot {
    std::uint64_t key = 0;
    std::uint32_t count = 0;  ///< 0: the slot is free
  };

  [[nodiscard]] std::uint64_t key(std::int32_t previous, std::int32_t next) const {
    return static_cast<std::uint64_t>(previous) * vocab_size_ + static_cast<std::uint64_t>(next);
  }
  /// The slot of `key`, or the free one where it would go.
  [[nodiscard]] std::size_t place_of(std::uint64_t key) const;
  std::uint32_t& slot_for(std::uint64_t key);
  void grow();

  std::uint64_t vocab_size_;
  std::vector<std::uint32_t> dense_;
  std::vector<Slot> slots_;  ///< open addressing, a power of two, at most half full
  std::size_t used_slots_ = 0;
};

}  // namespace softmoe::training
