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

/// The best kBest scores of every row in falling order; minus infinity where there are fewer. NaNs
/// are passed over.
template <int kBest>
[[gnu::always_inline]] inline std::array<Lanes, kBest> best_scores(const Lanes* scores_C,
                                                                   std::int64_t columns) {
  std::array<Lanes, kBest> best;
  best.fill(all_lanes(-std::numeric_limits<float>::infinity()));
  for (std::int64_t i = 0; i < columns; ++i) {
    Lanes score = scores_C[i];
#pragma GCC unroll 16
    for (Lanes& place : best) {
      const LaneInts is_better = score > place;
      const Lanes pushed_out = is_better ? place : score;
      place = is_better ? score : place;
      score = pushed_out;
    }
  }
  return best;
}

/// value_of_rank() where at most kBest are wanted.
template <int kBest>
[[gnu::noinline]] Lanes value_among_best(const Lanes* scores_C, std::int64_t columns,
                                         LaneInts wanted) {
  const std::array<Lanes, kBest> best = best_scores<kBest>(scores_C, columns);
  Lanes value = all_lanes(std::numeric_limits<float>::infinity());
#pragma GCC unroll 8
  for (int rank = 1; rank <= kBest; ++rank) {
    value = wanted >= rank ? best[static_cast<std::size_t>(rank - 1)] : value;
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
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  constexpr int kFewRounds = 12;
  // Fewer than `wanted` scores reach `value`, until the lane is done.
  Lanes value = all_lanes(kInfinity);
  LaneInts done = wanted <= 0;

  const bool halves = any_lane(wanted > kFewRounds);
  if (halves) {
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
  if (halves) {  // halving stops between two scores
    Lanes least = all_lanes(kInfinity);
    for (std::int64_t i = 0; i < columns; ++i) {
      least = scores_C[i] >= value ? lane_min(least, scores_C[i]) : least;
    }
    value = least;
  }
  return value;
}

}  // namespace softmoe::ops::cpu
