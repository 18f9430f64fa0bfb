#pragma once

// The only place that names what Prometheus reads of single layers. Letters: L MoE layers.

#include <array>
#include <utility>
#include <vector>

#include "runtime/metrics/registry.h"
#include "training/step_result.h"

namespace softmoe::training {

/// The families of docs/metrics.md with a label `layer`, but for those of loads: what the routers
/// of one step did. Layers are counted among MoE layers.
class LayerMetrics {
 public:
  /// @param registry  outlives this object
  LayerMetrics(metrics::Registry& registry, int num_layers, int num_experts);

  /// Allocates nothing.
  void observe(const StepResult& result);

 private:
  /// A number of a layer, and how it comes out of a step.
  using Read = double (*)(const router::RouteSummary&);
  struct Reading {
    Read read;
    metrics::Gauge gauge;
  };

  struct Layer {
    metrics::Counter rows;
    metrics::Gauge k_target;
    metrics::Gauge k_realised;
    metrics::Gauge boundary_mass_ratio;
    metrics::Gauge entropy_ratio;
    std::vector<Reading> readings;
    std::vector<std::pair<double, metrics::Gauge>> quantiles;  ///< share, number of experts
  };

  static std::vector<Reading> make_readings(metrics::Registry& registry, const std::string& layer);

  double log_experts_;
  std::vector<Layer> layers_;
};

}  // namespace softmoe::training
