#pragma once

#include <bit>
#include <cstdint>

#include "runtime/ops/route_measure.h"

namespace softmoe::ops {

/// The bin of a margin; NaN goes to bin 0.
[[nodiscard]] inline int route_margin_bin(double margin) {
  constexpr double kFirstEdge = 0x1p-10;
  if (!(margin >= kFirstEdge)) return 0;
  if (margin >= 0x1p5) return kRouteMarginBins - 1;
  // margin = mantissa * 2^octave with a mantissa of [1/2, 1), and bits are in the order of values.
  constexpr int kFractionBits = 52;
  constexpr std::uint64_t kFraction = (std::uint64_t{1} << kFractionBits) - 1;
  constexpr std::uint64_t kRootHalf = std::bit_cast<std::uint64_t>(0.70710678118654752) & kFraction;
  const auto bits = std::bit_cast<std::uint64_t>(margin);
  const int octave = static_cast<int>(bits >> kFractionBits) - 1022;
  return 1 + 2 * (octave + 9) + ((bits & kFraction) >= kRootHalf ? 1 : 0);
}

}  // namespace softmoe::ops
