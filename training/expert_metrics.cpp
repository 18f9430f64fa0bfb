#include "training/expert_metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>

namespace softmoe::training {

namespace {

using metrics::Family;
using metrics::Kind;

const std::array<Family, 6> kMeasures = {
    Family{.name = "softmoe_layer_load_imbalance_ratio",
           .labels = {"layer"},
           .help = "Fullest expert's rows over the mean"},
    Family{.name = "softmoe_layer_load_cv_ratio",
           .labels = {"layer"},
           .help = "Standard deviation of the experts' rows over the mean"},
    Family{.name = "softmoe_layer_load_entropy_ratio",
           .labels = {"layer"},
           .help = "Entropy of the load over ln E"},
    Family{.name = "softmoe_layer_load_gini_ratio",
           .labels = {"layer"},
           .help = "Gini coefficient of the load"},
    Family{.name = "softmoe_layer_dead_experts",
           .labels = {"layer"},
           .help = "Experts that ran no token"},
    Family{.name = "softmoe_rank_load_imbalance_ratio",
           .labels = {"layer"},
           .help = "Fullest rank's rows over the mean rank's, by layer: what costs time"},
};

const Family kHistogram{.name = "softmoe_layer_expert_load_ratio",
                        .kind = Kind::histogram,
                        .labels = {"layer"},
                        .help = "Load of every expert over the layer's mean, at each publication",
                        .bounds = {0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.1, 1.25, 1.5, 2, 3, 5, 8}};

const Family kExpert{.name = "softmoe_expert_load_ratio",
                     .labels = {"layer", "expert"},
                     .help = "Load of an expert over the layer's mean, 1 fair, 0 dead"};

Family slot_family(const char* which, const char* help) {
  return {.name = fmt::format("softmoe_layer_expert_{}", which),
          .labels = {"layer", "slot"},
          .help = help};
}

}  // namespace

ExpertMetrics::ExpertMetrics(const Parts& parts)
    : shape_(parts.shape),
      detail_(parts.detail),
      expert_ranks_(parts.expert_ranks),
      every_(parts.every),
      ranking_E_(static_cast<std::size_t>(shape_.experts)),
      increments_(kHistogram.bounds.size() + 1) {
  if (!has(ExpertDetail::summary)) return;
  for (int index = 0; index < shape_.layers; ++index) {
    layers_.push_back(make_layer(parts.registry, index));
  }
}

ExpertMetrics::Layer ExpertMetrics::make_layer(metrics::Registry& registry, int index) const {
  const std::string name = padded(index, shape_.layers);
  Layer layer;
  layer.loads_E.resize(static_cast<std::size_t>(shape_.experts));
  for (const Family& measure : kMeasures) {
    layer.measures.push_back(registry.gauge(measure, {name}));
  }
  if (has(ExpertDetail::buckets)) layer.histogram = registry.histogram(kHistogram, {name});
  const int slots = std::min(shape_.top_experts, shape_.experts);
  for (int slot = 1; has(ExpertDetail::topk) && slot <= slots; ++slot) {
    const metrics::LabelValues labels = {name, padded(slot, slots + 1)};
    const auto gauge = [&](const char* which, const char* help) {
      return registry.gauge(slot_family(which, help), labels);
    };
    layer.hot.push_back(
        {.load_ratio = gauge("hot_load_ratio", "Largest loads over the mean, slot 1 the largest"),
         .index = gauge("hot_index", "Which experts those are")});
    layer.cold.push_back({.load_ratio = gauge("cold_load_ratio",
                                              "Smallest loads over the mean, slot 1 the smallest"),
                          .index = gauge("cold_index", "Which experts those are")});
  }
  for (int expert = 0; has(ExpertDetail::full) && expert < shape_.experts; ++expert) {
    layer.ratio_E.push_back(registry.gauge(kExpert, {name, padded(expert, shape_.experts)}));
  }
  return layer;
}

void ExpertMetrics::observe(const StepResult& result) {
  for (std::size_t index = 0; index < layers_.size(); ++index) {
    std::vector<std::int64_t>& sums_E = layers_[index].loads_E;
    const std::vector<std::int64_t>& loads_E = result.layers[index].loads;
    std::transform(sums_E.begin(), sums_E.end(), loads_E.begin(), sums_E.begin(), std::plus<>());
  }
  ++steps_;
  if (!has_published_ || steps_ >= every_) publish();
}

void ExpertMetrics::publish() {
  if (steps_ == 0) return;
  for (Layer& layer : layers_) publish(layer);
  steps_ = 0;
  has_published_ = true;
}

void ExpertMetrics::publish(Layer& layer) {
  const LoadMeasures measures = measure_loads(layer.loads_E, ranking_E_);
  const std::array<double, kMeasures.size()> values = {
      measures.imbalance,
      measures.cv,
      measures.entropy_ratio,
      measures.gini,
      static_cast<double>(measures.dead),
      rank_imbalance(layer.loads_E, expert_ranks_)};
  for (std::size_t i = 0; i < values.size(); ++i) layer.measures[i].set(values[i]);
  const auto rows = static_cast<double>(
      std::accumulate(layer.loads_E.begin(), layer.loads_E.end(), std::int64_t{0}));
  // Without rows every ratio is 0.
  const double mean = rows > 0 ? rows / shape_.experts : 1;
  if (layer.histogram) publish_histogram(layer, mean);
  publish_slots(layer, mean);
  for (std::size_t expert = 0; expert < layer.ratio_E.size(); ++expert) {
    layer.ratio_E[expert].set(static_cast<double>(layer.loads_E[expert]) / mean);
  }
  std::fill(layer.loads_E.begin(), layer.loads_E.end(), 0);
}

void ExpertMetrics::publish_histogram(Layer& layer, double mean) {
  const std::vector<double>& bounds = kHistogram.bounds;
  std::fill(increments_.begin(), increments_.end(), 0);
  double sum = 0;
  for (const std::int64_t load : layer.loads_E) {
    const double ratio = static_cast<double>(load) / mean;
    const auto bucket = std::lower_bound(bounds.begin(), bounds.end(), ratio) - bounds.begin();
    increments_[static_cast<std::size_t>(bucket)] += 1;
    sum += ratio;
  }
  layer.histogram->observe_many(increments_, sum);
}

void ExpertMetrics::publish_slots(Layer& layer, double mean) {
  const auto set = [&](Slot& slot, const RankedLoad& ranked) {
    slot.load_ratio.set(static_cast<double>(ranked.load) / mean);
    slot.index.set(ranked.expert);
  };
  for (std::size_t slot = 0; slot < layer.hot.size(); ++slot) {
    set(layer.hot[slot], ranking_E_[slot]);
    set(layer.cold[slot], ranking_E_[ranking_E_.size() - 1 - slot]);
  }
}

}  // namespace softmoe::training
