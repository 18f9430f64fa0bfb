#pragma once

// The best scores of a row that a warp holds, without sorting. For .cu files.

#include <bit>
#include <cmath>
#include <cstdint>

#include "runtime/ops/cuda/row_in_warp.h"

namespace softmoe::ops::cuda {

/// A number that orders as route_order.h orders scores: NaN as minus infinity, both zeros alike.
/// Above 0 for every score, so that 0 can stand for none.
__device__ inline std::uint32_t order_key(float score) {
  constexpr std::uint32_t kSign = 0x80000000U;
  const float number = std::isnan(score) ? -std::numeric_limits<float>::infinity() : score + 0.0F;
  const auto bits = std::bit_cast<std::uint32_t>(number);
  return (bits & kSign) != 0 ? ~bits : bits | kSign;
}

/// The score of a key.
__device__ inline float score_of(std::uint32_t order_key) {
  constexpr std::uint32_t kSign = 0x80000000U;
  return std::bit_cast<float>((order_key & kSign) != 0 ? order_key ^ kSign : ~order_key);
}

/// Keys of a row; empty slots hold 0.
template <int kPerLane>
__device__ void fill_order_keys(const LaneColumns<kPerLane>& lanes, const float (&scores)[kPerLane],
                                std::uint32_t (&keys)[kPerLane]) {
  for (std::uint32_t& key : keys) key = 0;
  lanes.for_each([&](int slot, int) { keys[slot] = order_key(scores[slot]); });
}

/// How many keys of the row are at least `least`, least > 0.
template <int kPerLane>
__device__ int count_keys_from(const std::uint32_t (&keys)[kPerLane], std::uint32_t least) {
  // Votes are cheaper than a sum over lanes, until there are many.
  constexpr int kFewVotes = 4;
  int count = 0;
  for (const std::uint32_t key : keys) {
    if constexpr (kPerLane <= kFewVotes) {
      count += __popc(__ballot_sync(kAllLanes, key >= least));
    } else {
      count += key >= least ? 1 : 0;
    }
  }
  if constexpr (kPerLane > kFewVotes) count = warp_sum(count);
  return count;
}

/// The wanted-th largest key of the row, 1 <= wanted <= C: its bits from the top, until exactly
/// `wanted` keys reach what is known of it.
template <int kPerLane>
__device__ std::uint32_t key_of_rank(const std::uint32_t (&keys)[kPerLane], int wanted) {
  std::uint32_t reached = 0;
  for (std::uint32_t bit = 0x80000000U; bit != 0; bit >>= 1) {
    const int count = count_keys_from(keys, reached | bit);
    if (count >= wanted) reached |= bit;
    if (count == wanted) break;
  }
  std::uint32_t least = 0xffffffffU;
  for (const std::uint32_t key : keys) least = key >= reached && key < least ? key : least;
  return warp_min(least);
}

}  // namespace softmoe::ops::cuda
