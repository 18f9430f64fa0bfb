#pragma once

// What a choice of columns looked like, as sums over rows. Letters: R rows, C columns, N entries.

#include "runtime/ops/route_gates.h"
#include "runtime/ops/route_select.h"

namespace softmoe::ops {

/// Half the width of the window around the cut in which scores are counted, in units of alpha.
inline constexpr double kCrossingHalfWidth = 0.25;

/// Bins of the decision margin: bin 0 holds margins below 2^-10 alpha, each further one grows by
/// sqrt(2), the last holds 2^5 alpha and more.
inline constexpr int kRouteMarginBins = 32;
[[nodiscard]] double route_margin_bin_edge(int bin);  ///< upper edge in units of alpha

/// Bins of the number of entries of a row: 0 .. 31, and 32 or more.
inline constexpr int kRouteSizeBins = 33;

/// Integer sums.
enum class RouteTally : std::uint8_t {
  rows,
  entries,
  raised,   ///< rows with fewer scores above the cut than at_least; without an anchor 0
  lowered,  ///< rows with more scores above the cut than at_most; without an anchor 0
  /// Entries that would come or go if the cut moved over its window: the sum of
  /// count(cut - h) - count(cut + h), h = kCrossingHalfWidth, where count is the number chosen,
  /// within at_least and at_most. Scores that at_least or at_most hold fast do not count. Without
  /// an anchor 0.
  crossing,
};
inline constexpr int kNumRouteTallies = 5;

/// Sums of f32 numbers or wider, in f64.
enum class RouteMass : std::uint8_t {
  boundary,      ///< sum of min(p, 1 - p)
  gates,         ///< sum of gates
  dropped,       ///< mass of a row less p of its entries
  score_square,  ///< squares of scores less their row's mean
};
inline constexpr int kNumRouteMasses = 4;

struct RouteMeasureArguments {
  /// The rule that chose. With TensorView{} for scores (chosen by hash) only entries, sizes,
  /// columns and gates are measured.
  RouteChoice choice;
  /// The choice, its probabilities and gates. A replayed choice may differ from what the rule
  /// gives; margin, raised, lowered and crossing are those of the rule.
  RouteGatesArguments gates;
  double mass = 1.0;  ///< what the p of a row sum to
};

/// Everything is added to. The decision margin of a row is the distance to where its choice
/// changes, in units of alpha: min |u - cut| with an anchor, else half the gap between the last
/// score that is chosen and the first that is not.
struct RouteMeasures {
  View<std::int64_t> count_C;      ///< entries of each column
  View<std::int64_t> tallies;      ///< [kNumRouteTallies]
  View<std::int64_t> margin_bins;  ///< [kRouteMarginBins]
  View<std::int64_t> size_bins;    ///< [kRouteSizeBins]
  View<double> masses;             ///< [kNumRouteMasses]
};

/// Integers are exact; f64 sums are taken in an order that depends on R alone.
/// @param scratch  released before return
/// @throws InvalidArgument naming sizes if they do not fit.
using RouteMeasureOp = void(const RouteMeasureArguments& arguments, const RouteMeasures& measures,
                            Arena& scratch, Stream& stream);
RouteMeasureOp route_measure;
namespace reference {
RouteMeasureOp route_measure;
}
namespace cpu {
RouteMeasureOp route_measure;
}
namespace cuda {
RouteMeasureOp route_measure;
}

}  // namespace softmoe::ops
