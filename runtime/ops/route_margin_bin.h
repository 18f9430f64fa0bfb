#pragma once

#include <algorithm>
#include <cmath>

#include "runtime/ops/route_measure.h"

namespace softmoe::ops {

/// The bin of a margin; NaN goes to bin 0.
[[nodiscard]] inline int route_margin_bin(double margin) {
  constexpr double kFirstEdge = 0x1p-10;
  if (!(margin >= kFirstEdge)) return 0;
  if (margin >= 0x1p5) return kRouteMarginBins - 1;
  int octave = 0;
  const double mantissa = std::frexp(margin, &octave);  // margin = mantissa * 2^octave, in [1/2, 1)
  return 1 + 2 * (octave + 9) + (mantissa >= 0.70710678118654752 ? 1 : 0);
}

}  // namespace softmoe::ops
