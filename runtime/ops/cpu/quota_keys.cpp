#include "runtime/ops/cpu/quota_keys.h"

#include <algorithm>
#include <array>
#include <functional>

#include "runtime/ops/cpu/blocks.h"

namespace softmoe::ops::cpu {

namespace {

/// Vectors of keys that a worker counts at a time.
constexpr std::int64_t kPart = kBlockElements / kLanes;

/// Where so few keys are left, they are looked at one by one.
constexpr std::int64_t kFewKeys = 256;

/// The keys from `least` to `most`, of which there are few.
class FewKeys {
 public:
  FewKeys(View<const LaneKeys> keys, std::uint32_t least, std::uint32_t most) {
    constexpr std::int64_t kAtOnce = 8;  // vectors of which hardly any has one of these keys
    for (std::int64_t begin = 0; begin < keys.size(); begin += kAtOnce) {
      const std::int64_t end = std::min(keys.size(), begin + kAtOnce);
      LaneInts has_one{};
      for (std::int64_t i = begin; i < end; ++i) has_one |= keys[i] - least <= most - least;
      if (any_lane(has_one)) take(keys.part(begin, end), least, most);
    }
  }

  /// @param rank  from 1
  [[nodiscard]] Threshold of_rank(std::int64_t rank) {
    const auto end = key_.begin() + count_;
    const auto last = key_.begin() + (rank - 1);
    std::nth_element(key_.begin(), last, end, std::greater<>());
    const std::uint32_t value = *last;
    const auto is_above = [value](std::uint32_t key) { return key > value; };
    return {.key = value,
            .equal = std::count(key_.begin(), end, value),
            .room = rank - std::count_if(key_.begin(), last, is_above)};
  }

 private:
  void take(View<const LaneKeys> keys, std::uint32_t least, std::uint32_t most) {
    for (const LaneKeys& some : keys.span()) {
      const LaneInts is_one = some - least <= most - least;
      if (!any_lane(is_one)) continue;
      for (int lane = 0; lane < kLanes; ++lane) {
        if (is_one[lane] != 0) key_[static_cast<std::size_t>(count_++)] = some[lane];
      }
    }
  }

  std::array<std::uint32_t, kFewKeys> key_{};
  std::int64_t count_ = 0;
};

/// How many keys are at least `least`.
std::int64_t count_from(View<const LaneKeys> keys, std::uint32_t least,
                        View<std::int64_t> count_of_part, Workers& workers) {
  for_blocks(workers, keys.size(), kPart, [&](std::int64_t begin, std::int64_t end) {
    LaneInts count{};
#pragma GCC unroll 4
    for (std::int64_t i = begin; i < end; ++i) count -= keys[i] >= least;
    count_of_part[begin / kPart] = sum_of_lanes(count);
  });
  std::int64_t sum = 0;
  for (const std::int64_t count : count_of_part.span()) sum += count;
  return sum;
}

}  // namespace

std::int64_t num_key_parts(std::int64_t vectors) {
  return (vectors + kPart - 1) / kPart;
}

// Bit by bit from the highest, each bit a count over all keys, until few keys are left.
Threshold find_threshold(View<const LaneKeys> keys, std::int64_t wanted,
                         View<std::int64_t> count_of_part, Workers& workers) {
  if (wanted == 0) return {};
  std::uint32_t key = 0;
  std::int64_t reach = keys.size() * kLanes;  // the key
  std::int64_t exceed = 0;                    // all keys with its known bits
  std::uint32_t bit = 0x80000000U;
  for (; bit != 0 && reach - exceed > kFewKeys; bit >>= 1) {
    const std::int64_t count = count_from(keys, key | bit, count_of_part, workers);
    if (count >= wanted) {
      key |= bit;
      reach = count;
    } else {
      exceed = count;
    }
  }
  if (bit == 0) return {.key = key, .equal = reach - exceed, .room = wanted - exceed};
  return FewKeys(keys, key, key | (2 * bit - 1)).of_rank(wanted - exceed);
}

}  // namespace softmoe::ops::cpu
