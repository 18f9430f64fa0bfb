#pragma once

// What is measured about routing, as sums over tokens, so that one all-reduce per step makes it
// global. Letters: E experts.

#include <cstdint>

#include "runtime/device/view.h"
#include "runtime/ops/route_measure.h"
#include "runtime/ops/route_softmax.h"

namespace softmoe::router {

/// Bins of the decision margin of a token: how far, in units of alpha, some score is from changing
/// which experts run. For softmoe min_i |r_i - theta| / alpha, theta = b + alpha (F^-1(tau0) +
/// lambda); for top_k half the gap between the last expert chosen and the first left out.
inline constexpr int kMarginBins = ops::kRouteMarginBins;
/// Upper edge of a margin bin, in units of alpha: 2^-10, 2^-9.5, ... 2^5; the last is infinite.
[[nodiscard]] inline double margin_bin_edge(int bin) {
  return ops::route_margin_bin_edge(bin);
}

/// Tokens by number of experts run: 0 .. 31, and 32 or more.
inline constexpr int kMaxCountBin = ops::kRouteSizeBins - 1;

/// Half the width, in units of alpha, of the window around the truncation surface in which scores
/// are counted for the loop gain.
inline constexpr double kSurfaceHalfWidth = ops::kCrossingHalfWidth;

/// Sums of one layer on the device; integers and floats apart because integers sum exactly. Zeroed
/// by the caller; every route() adds.
struct RouteStatistics {
  View<std::int64_t> counts;  ///< [CountPlaces{E}.size()]
  View<double> sums;          ///< [kNumRouteSums]
};

/// Places in RouteStatistics::counts; expert loads come first.
struct CountPlaces {
  int num_experts = 0;
  [[nodiscard]] int load(int expert) const { return expert; }
  [[nodiscard]] int tokens() const { return tally(ops::RouteTally::rows); }
  [[nodiscard]] int rows() const { return tally(ops::RouteTally::entries); }
  /// Tokens with fewer scores above the surface than the floor: they run only by it.
  [[nodiscard]] int at_floor() const { return tally(ops::RouteTally::raised); }
  /// Tokens with more scores above the surface than the cap: cut by it.
  [[nodiscard]] int at_cap() const { return tally(ops::RouteTally::lowered); }
  /// Rows that would come or go if lambda moved from +1/4 to -1/4 around its value, everything else
  /// equal: the sum of N_t(lambda - h) - N_t(lambda + h), h = kSurfaceHalfWidth. A score near the
  /// surface counts only if its crossing would change the number of experts run: one that the floor
  /// or the cap holds fast does not. near_surface / (2 h tokens) = -d E[N] / d lambda = alpha rho.
  [[nodiscard]] int near_surface() const { return tally(ops::RouteTally::crossing); }
  [[nodiscard]] int margin(int bin) const { return num_experts + ops::kNumRouteTallies + bin; }
  [[nodiscard]] int experts_run(int bin) const { return margin(kMarginBins) + bin; }
  [[nodiscard]] int size() const { return experts_run(ops::kRouteSizeBins); }

 private:
  [[nodiscard]] int tally(ops::RouteTally which) const {
    return num_experts + static_cast<int>(which);
  }
};

/// Places in RouteStatistics::sums. All over tokens, in f64, in an order that depends on T alone.
/// The kind `hash` has gates only.
enum class RouteSum : std::uint8_t {
  boundary_mass,  ///< sum of min(p, 1 - p)
  gate_sum,       ///< sum of gates of executed rows
  dropped_mass,   ///< k (1 for top_k) less the p of executed rows
  score_square,   ///< squares of scores less their token's mean; / (tokens E) is their variance
  balance_loss,   ///< the Switch loss
  z_loss,
  entropy,  ///< of softmax(scores), nats
  cut,      ///< tokens times the cut of their micro-batch, units of alpha; of those with a quota
};
inline constexpr int kNumRouteSums = 8;
static_assert(kNumRouteSums == ops::kNumRouteMasses + ops::kNumPenaltySums + 1);

}  // namespace softmoe::router
