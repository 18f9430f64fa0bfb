#pragma once

// LapSum without a sort, for sixteen rows at once.

#include <cmath>

#include "runtime/ops/cpu/route_rank.h"

namespace softmoe::ops::cpu {

/// k of a row as a whole number and a rest in [-1/2, 1/2], so that k - m and C - k keep their
/// digits.
struct LaneMass {
  std::int32_t whole;
  float rest;

  LaneMass(double k, std::int64_t columns) {
    const double limit = static_cast<double>(columns) - 1e-6;
    const double clamped = k < 1e-6 ? 1e-6 : (k > limit ? limit : k);
    whole = static_cast<std::int32_t>(std::lround(clamped));
    rest = static_cast<float>(clamped - whole);
  }
  /// About how many scores of unit spread lie above b: k if alpha is small, and fewer the more mass
  /// the scores below b have. A fit; it decides where the search begins, not where it ends.
  [[nodiscard]] std::int32_t guess_above(std::int64_t columns, float inverse_alpha) const {
    const double k = whole + static_cast<double>(rest);
    const double alpha = 1 / static_cast<double>(inverse_alpha);
    const double above = k * std::pow(k / static_cast<double>(columns), 1.2 * alpha * alpha);
    return std::max(1, static_cast<std::int32_t>(std::lround(above)));
  }
};

struct LaneSolution {
  Lanes anchor;        ///< a score next to b
  Lanes delta;         ///< (anchor - b) / alpha
  int iterations = 0;  ///< rounds until all lanes stood
};

/// Solves the local model: with the split {r >= b}, {r < b} held fixed and F continued by the
/// branch of each side, the root has a closed form. Since e^u / 2 >= 1 - e^-u / 2 for every u, that
/// root never passes the true one: each step re-splits, moves on towards it, and moves at least one
/// score across. It stops when the root lies between the two scores that enclose the split.
///
/// @param scores_C  one vector per column
[[gnu::noinline]] inline LaneSolution solve_lapsum(const Lanes* scores_C, std::int64_t columns,
                                                   const LaneMass& k, float inverse_alpha) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  LaneSolution result{};
  // A score is above if (score - anchor) / alpha + delta >= 0. Rounding must not hold a score back
  // that has to cross, so the neighbours of the last split decide first.
  Lanes anchor = value_of_rank(scores_C, columns, all_lanes(k.guess_above(columns, inverse_alpha)));
  Lanes delta{};
  Lanes must_exceed = all_lanes(-kInfinity);
  Lanes must_include = all_lanes(kInfinity);
  LaneInts done{};
  LaneInts direction{};  // +1: b moved up, -1: down

  for (std::int64_t round = 0; round < columns + 2 && any_lane(~done); ++round) {
    ++result.iterations;
    LaneInts num_above{};
    Lanes lowest_above = all_lanes(kInfinity);
    Lanes highest_below = all_lanes(-kInfinity);
    for (std::int64_t i = 0; i < columns; ++i) {
      const Lanes score = scores_C[i];
      const LaneInts above =
          (((score - anchor) * inverse_alpha + delta >= 0.0F) & (score > must_exceed)) |
          (score >= must_include);
      num_above -= above;
      lowest_above = above ? lane_min(lowest_above, score) : lowest_above;
      highest_below = above ? highest_below : lane_max(highest_below, score);
    }
    Lanes u_sum{};
    Lanes v_sum{};
    for (std::int64_t i = 0; i < columns; ++i) {
      const Lanes score = scores_C[i];
      const LaneInts above = score >= lowest_above;
      const Lanes distance = above ? lowest_above - score : score - highest_below;
      const Lanes share = lane_exp(distance * inverse_alpha);
      u_sum += above ? share : Lanes{};
      v_sum += above ? Lanes{} : share;
    }

    // With an empty side its sum is 0, the gap infinite and root = 2 |d|: the same formula.
    const Lanes d = __builtin_convertvector(k.whole - num_above, Lanes) + k.rest;
    const Lanes gap = (lowest_above - highest_below) * inverse_alpha;
    const Lanes log_u = lane_log(u_sum);
    const Lanes log_v = lane_log(v_sum);
    const Lanes root = lane_abs(d) + lane_sqrt(d * d + u_sum * v_sum * lane_exp(-gap));
    const Lanes log_root = d == 0.0F ? (log_u + log_v) * 0.5F - gap * 0.5F : lane_log(root);
    const LaneInts leans_low = d > 0.0F;
    const Lanes distance = (leans_low ? log_v : log_u) - log_root;

    const LaneInts inside = (distance >= 0.0F) & (distance <= gap);
    const LaneInts moves = (distance < 0.0F) == leans_low ? all_lanes(-1) : all_lanes(1);
    // A reversal is rounding: b is at a score to the last bit, so it stays between its neighbours.
    const LaneInts reversed = direction * moves < 0;
    const Lanes kept = lane_min(lane_max(distance, Lanes{}), gap);
    const Lanes new_delta = reversed ? kept : distance;
    anchor = done ? anchor : (leans_low ? highest_below : lowest_above);
    delta = done ? delta : (leans_low ? -new_delta : new_delta);
    done |= inside | reversed;
    direction = done ? direction : moves;
    must_exceed = direction > 0 ? lowest_above : all_lanes(-kInfinity);
    must_include = direction < 0 ? highest_below : all_lanes(kInfinity);
  }
  result.anchor = anchor;
  result.delta = delta;
  return result;
}

}  // namespace softmoe::ops::cpu
