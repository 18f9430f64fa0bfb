#pragma once

// How many series a page holds: the formulas of what run_metrics.h and its neighbours make.
// Letters: L MoE layers, E experts.

#include <cstdint>
#include <string>

#include "training/metrics_config.h"

namespace softmoe::training {

struct MetricsShape {
  int layers = 0;       ///< L
  int experts = 0;      ///< E
  int top_experts = 4;  ///< listed at each end of a layer; at most E are
};

/// Series of rank 0's page, its own families and its process's included; those of an embedded
/// coordinator are not.
///
///     102 + L (18 + [summary] 6 + [buckets] 16 + [topk] 4 min(top_experts, E) + [full] E)
///
/// where a bracket counts from its level on.
[[nodiscard]] std::int64_t predicted_series(const MetricsShape& shape, ExpertDetail detail);

/// Series of any other rank's page.
[[nodiscard]] std::int64_t predicted_rank_series();

/// The highest level up to `wanted` whose page has at most max_series; off if none has.
[[nodiscard]] ExpertDetail affordable_detail(const MetricsShape& shape, ExpertDetail wanted,
                                             std::int64_t max_series);

/// What people are told where the level is not the wanted one; empty where it is.
[[nodiscard]] std::string explain_detail(const MetricsShape& shape, const MetricsConfig& config);

/// The label of a layer or an expert: as many digits as the last one has, so that they sort.
[[nodiscard]] std::string padded(int index, int count);

}  // namespace softmoe::training
