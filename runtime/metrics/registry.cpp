#include "runtime/metrics/registry.h"

#include <fmt/format.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <map>
#include <mutex>

#include "runtime/base/errors.h"

namespace softmoe::metrics {

namespace {

using PrometheusLabels = std::map<std::string, std::string>;

PrometheusLabels to_map(const Labels& labels) {
  return {labels.begin(), labels.end()};
}

PrometheusLabels labels_of(const Family& family, const LabelValues& values) {
  require(values.size() == family.labels.size(),
          fmt::format("{} has {} labels and was given {} values", family.name, family.labels.size(),
                      values.size()));
  PrometheusLabels labels;
  for (std::size_t i = 0; i < values.size(); ++i) labels[family.labels[i]] = values[i];
  return labels;
}

PrometheusLabels without(PrometheusLabels labels, const std::vector<std::string>& names) {
  for (const std::string& name : names) labels.erase(name);
  return labels;
}

/// Families of one kind, and their series by label values.
template <class Metric>
struct Kept {
  std::map<std::string, prometheus::Family<Metric>*> families;
  std::map<std::pair<std::string, LabelValues>, Metric*> series;
};

}  // namespace

struct Registry::State {
  PrometheusLabels constant;
  prometheus::Registry registry;
  mutable std::mutex mutex;
  std::map<std::string, Kind> kinds;
  Kept<prometheus::Counter> counters;
  Kept<prometheus::Gauge> gauges;
  Kept<prometheus::Histogram> histograms;
  std::int64_t num_series = 0;
  std::vector<std::function<void()>> refreshes;

  template <class Metric, class Builder, class... More>
  Metric& find_or_make(Kept<Metric>& kept, Builder build, Kind kind, const Family& family,
                       const LabelValues& values, const More&... more) {
    const std::lock_guard lock(mutex);
    const PrometheusLabels labels = labels_of(family, values);
    const auto known = kinds.emplace(family.name, kind).first;
    require(known->second == kind && family.kind == kind,
            fmt::format("{} was made as another kind", family.name));
    Metric*& series = kept.series[{family.name, values}];
    if (series != nullptr) return *series;
    prometheus::Family<Metric>*& made = kept.families[family.name];
    try {
      if (made == nullptr) {
        made = &build()
                    .Name(family.name)
                    .Help(family.help)
                    .Labels(without(constant, family.labels))
                    .Register(registry);
      }
      series = &made->Add(labels, more...);
    } catch (const std::invalid_argument& error) {
      throw InvalidArgument(fmt::format("{}: {}", family.name, error.what()));
    }
    num_series += kind == Kind::histogram ? std::ssize(family.bounds) + 3 : 1;
    return *series;
  }
};

void Counter::add(double amount) {
  series_->Increment(amount);
}

double Counter::value() const {
  return series_->Value();
}

void Gauge::set(double value) {
  series_->Set(value);
}

double Gauge::value() const {
  return series_->Value();
}

void Histogram::observe(double value) {
  series_->Observe(value);
}

void Histogram::observe_many(const std::vector<double>& increments, double sum) {
  series_->ObserveMultiple(increments, sum);
}

Registry::Registry(Labels constant) : state_(std::make_unique<State>()) {
  state_->constant = to_map(constant);
}

Registry::~Registry() = default;

Counter Registry::counter(const Family& family, const LabelValues& values) {
  return Counter(state_->find_or_make(state_->counters, prometheus::BuildCounter, Kind::counter,
                                      family, values));
}

Gauge Registry::gauge(const Family& family, const LabelValues& values) {
  return Gauge(
      state_->find_or_make(state_->gauges, prometheus::BuildGauge, Kind::gauge, family, values));
}

Histogram Registry::histogram(const Family& family, const LabelValues& values) {
  return Histogram(state_->find_or_make(state_->histograms, prometheus::BuildHistogram,
                                        Kind::histogram, family, values, family.bounds));
}

std::int64_t Registry::num_series() const {
  const std::lock_guard lock(state_->mutex);
  return state_->num_series;
}

void Registry::on_page(std::function<void()> refresh) {
  const std::lock_guard lock(state_->mutex);
  state_->refreshes.push_back(std::move(refresh));
}

std::string Registry::page() const {
  std::vector<std::function<void()>> refreshes;
  {
    const std::lock_guard lock(state_->mutex);
    refreshes = state_->refreshes;
  }
  for (const std::function<void()>& refresh : refreshes) refresh();
  return prometheus::TextSerializer().Serialize(state_->registry.Collect());
}

}  // namespace softmoe::metrics
