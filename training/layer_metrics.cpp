#include "training/layer_metrics.h"

#include <fmt/format.h>

#include <cmath>

#include "training/load_measures.h"
#include "training/metrics_size.h"

namespace softmoe::training {

namespace {

using metrics::Family;
using metrics::Kind;
using router::RouteSummary;

const Family kRows{.name = "softmoe_layer_rows_total",
                   .kind = Kind::counter,
                   .labels = {"layer"},
                   .help = "Expert executions, (token, expert) pairs"};
const Family kTarget{.name = "softmoe_layer_k_target",
                     .labels = {"layer"},
                     .help = "Learned mean number of experts (soft mass)"};
const Family kRealised{.name = "softmoe_layer_k_realised",
                       .labels = {"layer"},
                       .help = "Experts run per token, last step"};
const Family kQuantile{.name = "softmoe_layer_k_realised_quantile",
                       .labels = {"layer", "q"},
                       .help = "Experts run, over tokens"};
const Family kBoundaryRatio{.name = "softmoe_router_boundary_mass_ratio",
                            .labels = {"layer"},
                            .help = "The same over k: share of the decision that is still soft"};
const Family kEntropy{.name = "softmoe_router_entropy_ratio",
                      .labels = {"layer"},
                      .help = "Entropy of softmax of the scores over ln E"};
const Family kMargin{.name = "softmoe_router_margin",
                     .labels = {"layer", "q"},
                     .help = "Decision margin in units of alpha"};

constexpr std::array kQuantiles = {0.05, 0.5, 0.95, 1.0};

/// What is read from a summary as it is.
struct Plain {
  const char* name;
  const char* help;
  double (*read)(const RouteSummary&);
};
constexpr Plain kPlain[] = {
    {"boundary_mass", "Sum over experts of min(p, 1 - p), per token",
     [](const RouteSummary& layer) { return layer.boundary_mass; }},
    {"boundary_density",
     "Experts per token that one unit of lambda would move: the gain of the budget's loop",
     [](const RouteSummary& layer) { return layer.density; }},
    {"gate_mass", "Sum of a token's gates",
     [](const RouteSummary& layer) { return layer.gate_sum; }},
    {"dropped_mass", "Soft mass below the truncation, per token",
     [](const RouteSummary& layer) { return layer.dropped_mass; }},
    {"score_std", "Root mean square of centred scores",
     [](const RouteSummary& layer) { return layer.score_std; }},
    {"floor_ratio", "Tokens that ran experts only by the floor",
     [](const RouteSummary& layer) { return layer.floor_rate; }},
    {"cap_ratio", "Tokens cut by the cap",
     [](const RouteSummary& layer) { return layer.cap_rate; }},
};

}  // namespace

LayerMetrics::LayerMetrics(metrics::Registry& registry, int num_layers, int num_experts)
    : log_experts_(std::log(num_experts)) {
  for (int index = 0; index < num_layers; ++index) {
    const std::string layer = padded(index, num_layers);
    layers_.push_back({.rows = registry.counter(kRows, {layer}),
                       .k_target = registry.gauge(kTarget, {layer}),
                       .k_realised = registry.gauge(kRealised, {layer}),
                       .boundary_mass_ratio = registry.gauge(kBoundaryRatio, {layer}),
                       .entropy_ratio = registry.gauge(kEntropy, {layer}),
                       .readings = make_readings(registry, layer),
                       .quantiles = {}});
    for (const double share : kQuantiles) {
      layers_.back().quantiles.emplace_back(
          share, registry.gauge(kQuantile, {layer, fmt::format("{}", share)}));
    }
  }
}

std::vector<LayerMetrics::Reading> LayerMetrics::make_readings(metrics::Registry& registry,
                                                               const std::string& layer) {
  std::vector<Reading> readings;
  for (const Plain& plain : kPlain) {
    const Family family{.name = fmt::format("softmoe_router_{}", plain.name),
                        .labels = {"layer"},
                        .help = plain.help};
    readings.push_back({plain.read, registry.gauge(family, {layer})});
  }
  readings.push_back({[](const RouteSummary& summary) { return summary.margin_low; },
                      registry.gauge(kMargin, {layer, "0.1"})});
  readings.push_back({[](const RouteSummary& summary) { return summary.margin_median; },
                      registry.gauge(kMargin, {layer, "0.5"})});
  return readings;
}

void LayerMetrics::observe(const StepResult& result) {
  for (std::size_t index = 0; index < layers_.size(); ++index) {
    Layer& layer = layers_[index];
    const RouteSummary& summary = result.layers[index];
    const double soft_mass = result.record.soft_mass_L[index];
    layer.rows.add(static_cast<double>(summary.rows));
    layer.k_target.set(soft_mass);
    layer.k_realised.set(summary.mean_experts);
    layer.boundary_mass_ratio.set(soft_mass > 0 ? summary.boundary_mass / soft_mass : 0);
    layer.entropy_ratio.set(log_experts_ > 0 ? summary.entropy / log_experts_ : 1);
    for (Reading& reading : layer.readings) reading.gauge.set(reading.read(summary));
    for (auto& [share, gauge] : layer.quantiles) {
      gauge.set(experts_quantile(summary.tokens_by_experts, share));
    }
  }
}

}  // namespace softmoe::training
