#pragma once

// LapSum without a sort, one warp a row. For .cu files.

#include <algorithm>
#include <cmath>

#include "runtime/ops/cuda/warp_rank.h"

namespace softmoe::ops::cuda {

/// k of a row as a whole number and a rest in [-1/2, 1/2], so that k - m and C - k keep their
/// digits.
struct SplitMass {
  int whole;
  float rest;

  SplitMass(double k, std::int64_t columns) {
    const double clamped = std::clamp(k, 1e-6, static_cast<double>(columns) - 1e-6);
    whole = static_cast<int>(std::lround(clamped));
    rest = static_cast<float>(clamped - whole);
  }
};

/// A score c next to b, and (c - b) / alpha.
struct Anchor {
  float score;
  float delta;
};

__device__ inline float distance_to_anchor(float score, const Anchor& anchor, float alpha) {
  return (score - anchor.score) / alpha + anchor.delta;
}

/// With b between two scores z_hi >= z_lo (units of alpha): the distance from b to z_lo for d > 0,
/// else to z_hi, in the form of ops/reference/lapsum.cpp that survives d = 0 and wide gaps. An
/// empty side has a sum of 0 and an infinite gap; then the distance is log(V or U) - log(2 |d|).
__device__ inline float distance_from_end(float gap, float u_sum, float v_sum, float d) {
  const float log_u = logf(u_sum);
  const float log_v = logf(v_sum);
  const float log_c = (log_u + log_v) / 2 - gap / 2;
  const float log_ratio = logf(fabsf(d)) - log_c;  // minus infinity for d = 0: asinh gives 0
  const float log_root = log_ratio > 20 ? logf(2 * fabsf(d)) : log_c + asinhf(expf(log_ratio));
  return (d > 0 ? log_v : log_u) - log_root;
}

/// The scores of a row cut in two: z_lo and z_hi, and how many are above.
struct Split {
  int num_above;
  float lowest_above;
  float highest_below;
};

/// A score is above if it is at least b. Rounding must not hold a score back that has to cross, so
/// the neighbours of the last split decide first.
struct SplitRule {
  Anchor anchor;
  float must_exceed = -std::numeric_limits<float>::infinity();
  float must_include = std::numeric_limits<float>::infinity();
};

template <int kPerLane>
__device__ Split split_row(const LaneColumns<kPerLane>& lanes, const float (&scores)[kPerLane],
                           const SplitRule& rule, float alpha) {
  Split own{.num_above = 0,
            .lowest_above = std::numeric_limits<float>::infinity(),
            .highest_below = -std::numeric_limits<float>::infinity()};
  lanes.for_each([&](int slot, int) {
    const float score = scores[slot];
    const bool reaches_b = distance_to_anchor(score, rule.anchor, alpha) >= 0;
    const bool above = (reaches_b && score > rule.must_exceed) || score >= rule.must_include;
    own.num_above += above ? 1 : 0;
    own.lowest_above = above ? fminf(own.lowest_above, score) : own.lowest_above;
    own.highest_below = above ? own.highest_below : fmaxf(own.highest_below, score);
  });
  return {.num_above = warp_sum(own.num_above),
          .lowest_above = warp_min(own.lowest_above),
          .highest_below = warp_max(own.highest_below)};
}

/// The root of the model that a split fixes, as a distance (distance_from_end).
template <int kPerLane>
__device__ float model_root(const LaneColumns<kPerLane>& lanes, const float (&scores)[kPerLane],
                            const Split& split, float d, float alpha) {
  float u_sum = 0;
  float v_sum = 0;
  lanes.for_each([&](int slot, int) {
    const float score = scores[slot];
    const bool above = score >= split.lowest_above;
    const float share =
        expf((above ? split.lowest_above - score : score - split.highest_below) / alpha);
    u_sum += above ? share : 0.0F;
    v_sum += above ? 0.0F : share;
  });
  const float gap = (split.lowest_above - split.highest_below) / alpha;
  return distance_from_end(gap, warp_sum(u_sum), warp_sum(v_sum), d);
}

/// Solves the local model: with the split {r >= b}, {r < b} held fixed and F continued by the
/// branch of each side, the root has a closed form. Since e^u / 2 >= 1 - e^-u / 2 for every u, that
/// root never passes the true one: each step re-splits, moves on towards it, and moves at least one
/// score across. It stops when the root lies between the two scores that enclose the split. A row
/// with a NaN gets a NaN.
template <int kPerLane>
__device__ Anchor solve_lapsum(const LaneColumns<kPerLane>& lanes, const float (&scores)[kPerLane],
                               const SplitMass& k, float alpha) {
  const int least_count = k.rest > 0 ? k.whole + 1 : k.whole;  // >= 1 since k > 0
  std::uint32_t keys[kPerLane];
  fill_order_keys(lanes, scores, keys);
  SplitRule rule{.anchor = {.score = score_of(key_of_rank(keys, least_count)), .delta = 0}};
  int direction = 0;  // +1: b moved up, -1: down

  for (int round = 0; round < lanes.count + 2; ++round) {
    const Split split = split_row(lanes, scores, rule, alpha);
    const float d = static_cast<float>(k.whole - split.num_above) + k.rest;
    const bool leans_low = d > 0;
    const float distance = model_root(lanes, scores, split, d, alpha);
    const float gap = (split.lowest_above - split.highest_below) / alpha;
    const int move = (distance < 0) == leans_low ? -1 : 1;
    // A reversal is rounding: b is at a score to the last bit, so it stays between its neighbours.
    const bool reversed = direction * move < 0;
    const float delta = reversed ? fminf(fmaxf(distance, 0.0F), gap) : distance;
    rule.anchor = {.score = leans_low ? split.highest_below : split.lowest_above,
                   .delta = leans_low ? -delta : delta};
    const bool outside = distance < 0 || distance > gap;
    if (reversed || !outside) break;
    direction = move;
    if (move > 0) {
      rule.must_exceed = split.lowest_above;
      rule.must_include = std::numeric_limits<float>::infinity();
    } else {
      rule.must_exceed = -std::numeric_limits<float>::infinity();
      rule.must_include = split.highest_below;
    }
  }
  return rule.anchor;
}

}  // namespace softmoe::ops::cuda
