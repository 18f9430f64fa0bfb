#pragma once

// The only place that names what Prometheus reads of a single rank.

#include <array>
#include <vector>

#include "experts/row_traffic.h"
#include "runtime/device/workspace.h"
#include "runtime/metrics/registry.h"
#include "training/step_result.h"

namespace softmoe::training {

/// This rank's time, traffic and memory: the families of docs/metrics.md that every rank serves.
class RankMetrics {
 public:
  /// @param registry   outlives this object
  /// @param row_bytes  of one row whose expert is on another rank
  /// @param work       its arenas are looked at after each step; outlives this object
  RankMetrics(metrics::Registry& registry, const experts::RowTraffic& row_bytes,
              const Workspace& work);

  /// Allocates nothing.
  void observe(const StepResult& result);

 private:
  void observe_rows(const StepResult& result);

  experts::RowTraffic row_bytes_;
  const Workspace& work_;
  /// By phase; the time between steps comes last. Saving is part of that, so `storage` has none.
  std::vector<metrics::Counter> phases_;
  metrics::Counter dispatch_forward_;
  metrics::Counter dispatch_backward_;
  metrics::Counter combine_forward_;
  metrics::Counter combine_backward_;
  metrics::Counter rows_sent_;
  metrics::Counter rows_sent_off_rank_;
  metrics::Counter rows_received_;
  metrics::Counter receive_waves_;
  metrics::Counter bytes_reduced_;
  metrics::Counter bytes_gathered_;
  metrics::Gauge saved_peak_;
  metrics::Gauge scratch_peak_;
};

}  // namespace softmoe::training
