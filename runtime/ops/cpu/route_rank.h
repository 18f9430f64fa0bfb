#pragma once

// The best scores of sixteen rows at once, without sorting.

#include "runtime/ops/cpu/route_lanes.h"

namespace softmoe::ops::cpu {

/// Adds up in every lane how many of its scores hold `condition(score)`.
template <class Condition>
[[gnu::always_inline]] inline LaneInts count_scores(const Lanes* scores_C, std::int64_t columns,
                                                    Condition&& condition) {
  LaneInts count{};
  for (std::int64_t i = 0; i < columns; ++i) count -= condition(scores_C[i]);
  return count;
}

/// Puts the larger of places i and i ^ Mask first, for all pairs, in every lane.
template <unsigned Mask, std::size_t kSize>
[[gnu::always_inline]] inline void order_pairs(std::array<Lanes, kSize>& places) {
#pragma GCC unroll 64
  for (unsigned i = 0; i < kSize; ++i) {
    const unsigned partner = i ^ Mask;
    if (i > partner) continue;
    const Lanes first = places[i];
    const Lanes second = places[partner];
    places[i] = lane_max(first, second);
    places[partner] = lane_min(first, second);
  }
}

/// Sorts runs of 2 * Stride places that rise and then fall, or fall and then rise, in falling
/// order.
template <unsigned Stride, std::size_t kSize>
[[gnu::always_inline]] inline void merge_falling(std::array<Lanes, kSize>& places) {
  if constexpr (Stride > 0) {
    order_pairs<Stride>(places);
    merge_falling<Stride / 2>(places);
  }
}

/// Sorts runs of kRun places in falling order, by a bitonic network.
template <std::size_t kRun, std::size_t kSize>
[[gnu::always_inline]] inline void sort_falling(std::array<Lanes, kSize>& places) {
  if constexpr (kRun > 1) {
    sort_falling<kRun / 2>(places);
    order_pairs<kRun - 1>(places);
    merge_falling<kRun / 4>(places);
  }
}

/// The best kBest scores of every row in falling order; minus infinity where there are fewer. NaNs
/// are passed over.
/// @tparam kBest  a power of two
template <std::size_t kBest>
[[gnu::always_inline]] inline std::array<Lanes, kBest> best_scores(const Lanes* scores_C,
                                                                   std::int64_t columns) {
  const Lanes lowest = all_lanes(-std::numeric_limits<float>::infinity());
  std::array<Lanes, kBest> best;
  best.fill(lowest);
  for (std::int64_t first = 0; first < columns; first += kBest) {
    std::array<Lanes, kBest> more;
#pragma GCC unroll 64
    for (std::size_t i = 0; i < kBest; ++i) {
      const std::int64_t column = first + static_cast<std::int64_t>(i);
      more[i] = lowest;
      if (column < columns) more[i] = lane_max(scores_C[column], lowest);
    }
    sort_falling<kBest>(more);
    // The larger ones of a falling and a rising row are the best of both.
#pragma GCC unroll 64
    for (std::size_t i = 0; i < kBest; ++i) best[i] = lane_max(best[i], more[kBest - 1 - i]);
    merge_falling<kBest / 2>(best);
  }
  return best;
}

/// value_of_rank() where at most kBest are wanted.
template <std::size_t kBest>
[[gnu::noinline]] Lanes value_among_best(const Lanes* scores_C, std::int64_t columns,
                                         LaneInts wanted) {
  const std::array<Lanes, kBest> best = best_scores<kBest>(scores_C, columns);
  Lanes value = all_lanes(std::numeric_limits<float>::infinity());
#pragma GCC unroll 64
  for (std::size_t i = 0; i < kBest; ++i) {
    value = wanted > static_cast<std::int32_t>(i) ? best[i] : value;
  }
  return value;
}

/// The wanted-th largest score of every row: at least `wanted` scores reach it, and fewer exceed
/// it. Infinite where nothing is wanted; minus infinity where NaNs leave too few scores.
/// @param wanted  at most `columns`
[[gnu::noinline]] inline Lanes value_of_rank(const Lanes* scores_C, std::int64_t columns,
                                             LaneInts wanted) {
  if (!any_lane(wanted > 4)) return value_among_best<4>(scores_C, columns, wanted);
  if (!any_lane(wanted > 8)) return value_among_best<8>(scores_C, columns, wanted);
  if (!any_lane(wanted > 16)) return value_among_best<16>(scores_C, columns, wanted);
  if (!any_lane(wanted > 32)) return value_among_best<32>(scores_C, columns, wanted);
  if (!any_lane(wanted > 64)) return value_among_best<64>(scores_C, columns, wanted);
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  // Fewer than `wanted` scores reach `value`, until the lane is done.
  Lanes value = all_lanes(kInfinity);
  LaneInts done = wanted <= 0;

  // Halving narrows down where one score after the other would take long.
  Lanes low = all_lanes(kInfinity);
  Lanes high = all_lanes(-kInfinity);
  for (std::int64_t i = 0; i < columns; ++i) {
    low = lane_min(scores_C[i], low);
    high = lane_max(scores_C[i], high);
  }
  LaneInts reached{};
  for (int round = 0; round < 24 && any_lane(~done & (wanted - reached > 2)); ++round) {
    const Lanes middle = low + (high - low) * 0.5F;
    const LaneInts count =
        count_scores(scores_C, columns, [middle](Lanes score) { return score >= middle; });
    const LaneInts enough = ~done & (count >= wanted);
    const LaneInts too_few = ~done & (count < wanted);
    const LaneInts exact = enough & (count == wanted);
    low = enough ? middle : low;
    high = too_few ? middle : high;
    reached = too_few ? count : reached;
    value = exact ? middle : (too_few ? middle : value);
    done |= exact;
  }
  while (any_lane(~done)) {
    LaneInts count{};
    Lanes next = all_lanes(-kInfinity);
    for (std::int64_t i = 0; i < columns; ++i) {
      const LaneInts reaches = scores_C[i] >= value;
      count -= reaches;
      next = reaches ? next : lane_max(scores_C[i], next);  // in this order a NaN is passed over
    }
    // Minus infinity: the row has NaNs and runs out of scores.
    done |= (count >= wanted) | (value == -kInfinity);
    value = done ? value : next;
  }
  // Halving stops between two scores.
  Lanes least = all_lanes(kInfinity);
  for (std::int64_t i = 0; i < columns; ++i) {
    least = scores_C[i] >= value ? lane_min(least, scores_C[i]) : least;
  }
  return least;
}

}  // namespace softmoe::ops::cpu
