#pragma once

// How even the loads of experts are. Letters: E experts.

#include <cstdint>
#include <span>
#include <vector>

namespace softmoe::training {

/// Measures of E loads; all zero, and every expert dead, where nothing ran.
struct LoadMeasures {
  double imbalance = 0;      ///< largest over mean
  double cv = 0;             ///< standard deviation over mean
  double entropy_ratio = 0;  ///< of the shares, over ln E; 1 where E is 1
  double gini = 0;           ///< sum_i (2 i - E - 1) x_i / (E sum x), x rising, i from 1
  int dead = 0;              ///< experts without rows
};

/// An expert and its load.
struct RankedLoad {
  std::int64_t load = 0;
  int expert = 0;
};

/// @param loads_E    not negative
/// @param ranking_E  [E] := the experts by falling load, equal ones by index
[[nodiscard]] LoadMeasures measure_loads(std::span<const std::int64_t> loads_E,
                                         std::span<RankedLoad> ranking_E);

/// The fullest rank's rows over the mean rank's, where neighbouring experts share a rank; 0 without
/// rows. @param num_ranks  divides E
[[nodiscard]] double rank_imbalance(std::span<const std::int64_t> loads_E, int num_ranks);

/// The smallest number of experts that at least `share` of the tokens do not exceed.
/// @param tokens_by_experts  tokens that ran 0, 1, 2, ... experts; what the last one counts is
///                           taken for its index. @param share  in (0, 1]
[[nodiscard]] int experts_quantile(std::span<const std::int64_t> tokens_by_experts, double share);

}  // namespace softmoe::training
