#pragma once

// Integers that must not be mixed up.

#include <compare>
#include <cstdint>

namespace softmoe {

/// An integer of its own kind: `Strong<struct RankTag, int>` does not convert to any other.
template <class Tag, class Integer>
struct Strong {
  Integer value = 0;

  constexpr Strong() = default;
  constexpr explicit Strong(Integer v) : value(v) {}
  friend constexpr auto operator<=>(Strong, Strong) = default;
};

using Rank = Strong<struct RankTag, int>;            ///< place in a communicator
using LocalRank = Strong<struct LocalRankTag, int>;  ///< place on a node
using ExpertId = Strong<struct ExpertTag, int>;      ///< expert of a layer, in the whole model
using Step = Strong<struct StepTag, std::int64_t>;   ///< optimizer step, from 0
using Bytes = Strong<struct BytesTag, std::int64_t>;

}  // namespace softmoe
