#pragma once

// The integer budget of a step and how it is shared, before the step, among layers and lanes: pure
// functions of what every rank knows, so no message is needed and the number of ranks cannot
// matter. Letters: L layers with experts, T tokens of a step over all lanes.

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/base/strong.h"

namespace softmoe::budget {

/// What a step may spend, in executions of cost 1: floor(B T (s + 1)) - floor(B T s).
///
/// It needs no memory and telescopes: after any number of steps the sum is floor(B T steps), less
/// than one row below what the budget grants, while B and T stay. The products are doubles, good
/// to less than a row while B T steps is below 2^52, which a million rows a second reach in 140
/// years.
/// @throws InvalidArgument unless B T is positive and that bound holds.
[[nodiscard]] std::int64_t quota_of_step(double budget, Step step, std::int64_t tokens);

/// What the split of one step depends on. Lists of L numbers; the spans outlive the call.
struct QuotaDemand {
  double budget = 0.0;              ///< B: cost per token, summed over layers
  Step step = {};                   ///< also turns the order in which equal claims are served
  std::int64_t tokens = 0;          ///< T
  int floor = 1;                    ///< experts a token always runs in a layer: 0 or 1
  std::span<const double> mean_L;   ///< k_l > 0: shares are proportional to them
  std::span<const int> cap_L;       ///< most experts of a token: min(cap, E), at least the floor
  std::span<const double> cost_L;   ///< of one row; empty: 1 each
  std::span<const double> least_L;  ///< executions per token that a layer runs at least; empty: 0
  std::span<const double> most_L;   ///< and at most; empty: no bound
};

/// The rows of each layer, all lanes together. Its vectors are reused from step to step.
struct QuotaSplit {
  std::vector<std::int64_t> rows_L = {};
  std::vector<double> share_L = {};  ///< the shares before rounding to rows
};

/// Splits what the step may spend: N_l proportional to k_l inside the layer's bounds, rounded to
/// rows by largest remainder.
///
/// A layer runs from max(floor T, ceil(least T)) to min(cap T, floor(most T)) rows. Floor and cap
/// hold whatever a layer's own bounds say: caps follow the learned means, and may come below a
/// `least`. Among the layers that no bound holds, shares are mu k_l with one mu (water-filling).
///
///  - With costs of 1 the sum of N_l is quota_of_step(), exactly. A quota outside of what all
///    bounds together let through is moved to the nearest total that they do.
///  - With other costs the sum of c_l N_l is at most the quota, and what is left over buys no row
///    of any layer that has room. It is not carried to the next step.
///  - Equal means, bounds and costs give numbers of rows that differ by one at most, and who has
///    the one more takes turns with the step. A larger mean gives no fewer rows.
///  - |N_l - share_l| < 1 with costs of 1. Shares rise with the budget; after rounding a layer can
///    lose the last row to another.
///
/// @param memory its vectors become the result's, so that a step allocates nothing.
/// @throws InvalidArgument naming the sizes if lists differ in length, a mean or cost is not
///         positive, or a cap is below the floor.
[[nodiscard]] QuotaSplit split_quota(const QuotaDemand& demand, QuotaSplit memory = {});

/// One lane's part of a layer's rows, where all lanes have equally many tokens.
struct LanePlace {
  int lane = 0;
  int num_lanes = 1;
  int layer = 0;
  Step step = {};
};

/// rows / num_lanes, and the rest one each to neighbouring lanes, who take turns with step and
/// layer. Rows from floor T to cap T in total give every lane as many as its own floor and cap let
/// through. A lane beyond the last has none.
[[nodiscard]] std::int64_t lane_quota(std::int64_t rows, const LanePlace& place);

}  // namespace softmoe::budget
