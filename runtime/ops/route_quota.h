#pragma once

// Choosing a fixed number of pairs over all rows. Letters: R rows, C columns, W words of one bit
// per column.

#include <cstdint>

#include "runtime/ops/route_select.h"

namespace softmoe::ops {

/// Largest size of a cut, in units of alpha: beyond it p is below 1e-14 or that close to 1.
inline constexpr double kMaxQuotaCut = 32.0;

/// Which (row, column) pairs are chosen: exactly `num_chosen` of all rows together. Every row has
/// its best `at_least`. The others are the best, over all rows, of those pairs that are among the
/// best `at_most` of their row: by u = (r - c) / alpha + delta, then the smaller row, then the
/// smaller column. Within a row "best" is by score, then the smaller column. A score or u that is
/// NaN counts as minus infinity, so the number is exact whatever the scores.
struct RouteQuotaArguments {
  /// Scores, anchors (both needed), alpha, at_least and at_most. Its cut decides nothing; it is
  /// what `cut_sum` gets where there is no pair to be left out.
  RouteChoice choice;
  std::int64_t num_chosen = 0;    ///< from R * at_least to R * at_most
  View<std::uint32_t> chosen_RW;  ///< [R * W], as route_select writes it
  /// [1], added to: R times the cut, which is u of the best pair left out. "u above the cut" is
  /// then what was chosen, and the same rule with an average of cuts approximates it without the
  /// batch. Where all pairs are chosen nothing was seen below the worst of them: then it is u of
  /// that one. Within +-kMaxQuotaCut.
  View<double> cut_sum;
};

/// reference: sorts all pairs. cpu: a radix select over the bits of u, of each row's candidates
/// where at_most is at most 64, O(R C), the same result to the bit; f64 goes to the reference.
/// cuda: the same, f32 and at most 512 columns.
/// @param scratch  released before return: about 4 R C bytes; cpu: and some kilobytes a worker
/// @throws InvalidArgument naming the limits if they do not hold.
/// @throws DeviceError on a GPU naming the limit that a row exceeds.
using RouteQuotaOp = void(const RouteQuotaArguments& arguments, Arena& scratch, Stream& stream);
RouteQuotaOp route_quota;
namespace reference {
RouteQuotaOp route_quota;
}
namespace cpu {
RouteQuotaOp route_quota;
}
namespace cuda {
RouteQuotaOp route_quota;
}

}  // namespace softmoe::ops
