#pragma once

// Scores of all rows in one order: keys of sixteen rows at a time, and the key that a quota's last
// pair has.

#include "runtime/device/view.h"
#include "runtime/device/workers.h"
#include "runtime/ops/cpu/route_lanes.h"

namespace softmoe::ops::cpu {

/// Numbers as unsigned integers of the same order.
using LaneKeys = std::uint32_t __attribute__((vector_size(kLanes * sizeof(std::uint32_t))));

/// Below the key of minus infinity: a pair that is no candidate.
inline constexpr std::uint32_t kNoCandidate = 0;

/// NaN counts as minus infinity.
[[gnu::always_inline]] inline LaneKeys key_of(Lanes u) {
  u = u == 0.0F ? Lanes{} : u;  // one zero, as comparisons know it
  u = u == u ? u : all_lanes(-std::numeric_limits<float>::infinity());
  const LaneInts bits = std::bit_cast<LaneInts>(u);
  return std::bit_cast<LaneKeys>(bits ^ ((bits >> 31) | std::numeric_limits<std::int32_t>::min()));
}

[[nodiscard]] inline float number_of(std::uint32_t key) {
  constexpr std::uint32_t kSign = 0x80000000U;
  return std::bit_cast<float>((key & kSign) != 0 ? key ^ kSign : ~key);
}

/// The key of the last pair that is chosen.
struct Threshold {
  std::uint32_t key = 0xffffffffU;  ///< above all keys: nothing is chosen
  std::int64_t equal = 0;           ///< pairs with that key
  std::int64_t room = 0;            ///< how many of them are chosen

  [[nodiscard]] bool takes_all_equal() const { return room == equal; }
  /// The least key that is chosen wherever it is.
  [[nodiscard]] std::uint32_t least() const { return takes_all_equal() ? key : key + 1; }
};

/// Parts in which find_threshold() counts so many vectors of keys.
[[nodiscard]] std::int64_t num_key_parts(std::int64_t vectors);

/// The largest key that `wanted` keys reach.
/// @param wanted         0, or at most as many as are candidates
/// @param count_of_part  [num_key_parts()], to work in
[[nodiscard]] Threshold find_threshold(View<const LaneKeys> keys, std::int64_t wanted,
                                       View<std::int64_t> count_of_part, Workers& workers);

}  // namespace softmoe::ops::cpu
