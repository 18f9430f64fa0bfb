#pragma once

// From global sums to numbers with names (host).

#include <cstdint>
#include <span>
#include <vector>

#include "router/route_statistics.h"

namespace softmoe::router {

/// How one layer routed in one step. Per token unless it says otherwise; without tokens all zero.
struct RouteSummary {
  std::int64_t tokens = 0;  ///< total
  std::int64_t rows = 0;    ///< experts run, total
  double mean_experts = 0;  ///< rows / tokens
  /// W: sum over experts of min(p, 1 - p). Times the size of an expert's output it bounds the
  /// change of the layer's output if the soft choice became hard (risk gap <= Lipschitz * M * W).
  double boundary_mass = 0;
  /// alpha rho = -d E[experts run] / d lambda, the gain of the budget's loop (see near_surface).
  double density = 0;
  double gate_sum = 0;
  double dropped_mass = 0;  ///< k less the p of the experts that ran
  double score_std = 0;     ///< root mean square of centred scores
  double entropy = 0;       ///< of softmax(scores), nats
  double balance_loss = 0;
  double z_loss = 0;
  double imbalance = 0;      ///< largest load over mean load; 1 is balance
  int dead_experts = 0;      ///< experts that nobody ran
  double floor_rate = 0;     ///< share of tokens that ran only by the floor
  double cap_rate = 0;       ///< share of tokens cut by the cap
  double margin_low = 0;     ///< decision margin that a tenth of the tokens are below, in alpha
  double margin_median = 0;  ///< half of them
  /// Mean over micro-batches of where a quota cut: u = (r - b) / alpha of the best pair left out.
  /// 0 without quotas.
  double cut = 0;
  std::vector<std::int64_t> loads;              ///< [E] rows of each expert, total
  std::vector<std::int64_t> tokens_by_experts;  ///< [kMaxCountBin + 1] total
};

/// @param counts  of one layer, as RouteStatistics::counts, summed over ranks and micro-batches
/// @param sums    likewise
/// @param memory  its vectors become those of the result, so that a step allocates nothing; what
///                it holds is lost
/// @throws InvalidArgument naming the sizes if they are not those of num_experts.
[[nodiscard]] RouteSummary summarise(int num_experts, std::span<const std::int64_t> counts,
                                     std::span<const double> sums, RouteSummary memory = {});

/// The margin below which `share` of the tokens are, interpolated in the logarithm within a bin;
/// the last bin's lower edge for what lies beyond. 0 without tokens.
/// @param margin_bins  [kMarginBins]; @param share in (0, 1)
[[nodiscard]] double margin_quantile(std::span<const std::int64_t> margin_bins, double share);

}  // namespace softmoe::router
