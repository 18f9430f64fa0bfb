#pragma once

// The only place that names what Prometheus reads of the loads of experts.
// Letters: L MoE layers, E experts.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "runtime/metrics/registry.h"
#include "training/load_measures.h"
#include "training/metrics_config.h"
#include "training/metrics_size.h"
#include "training/step_result.h"

namespace softmoe::training {

/// How evenly experts and ranks are loaded. Loads are added up over the steps between two
/// publications, so that a rare expert is not taken for a dead one; numbers change when they are
/// published: after the first step, and then every so many.
class ExpertMetrics {
 public:
  struct Parts {
    metrics::Registry& registry;  ///< outlives this object
    MetricsShape shape;
    ExpertDetail detail = ExpertDetail::buckets;
    int expert_ranks = 1;    ///< that share the experts; divides E
    std::int64_t every = 1;  ///< steps between publications
  };

  explicit ExpertMetrics(const Parts& parts);

  /// Allocates nothing.
  void observe(const StepResult& result);
  /// Publishes what has been added up, if anything has been.
  void publish();

 private:
  /// An end of the ranking of a layer's experts.
  struct Slot {
    metrics::Gauge load_ratio;
    metrics::Gauge index;
  };
  struct Layer {
    std::vector<std::int64_t> loads_E;  ///< since the last publication
    std::vector<metrics::Gauge> measures;
    std::optional<metrics::Histogram> histogram;
    std::vector<Slot> hot;
    std::vector<Slot> cold;
    std::vector<metrics::Gauge> ratio_E;
  };

  [[nodiscard]] Layer make_layer(metrics::Registry& registry, int index) const;
  void publish(Layer& layer);
  void publish_slots(Layer& layer, double mean);
  void publish_histogram(Layer& layer, double mean);
  [[nodiscard]] bool has(ExpertDetail level) const { return detail_ >= level; }

  MetricsShape shape_;
  ExpertDetail detail_;
  int expert_ranks_;
  std::int64_t every_;
  std::int64_t steps_ = 0;  ///< since the last publication
  bool has_published_ = false;
  std::vector<Layer> layers_;
  std::vector<RankedLoad> ranking_E_;
  std::vector<double> increments_;
};

}  // namespace softmoe::training
