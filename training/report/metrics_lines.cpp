#include "training/report/metrics_lines.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "training/report/text_lines.h"

namespace softmoe::training {

namespace {

using nlohmann::json;

/// A field of an object and where it goes.
template <class Owner>
struct CurveField {
  const char* name;
  Curve Owner::*curve;
};

constexpr std::array kRunFields = {
    CurveField<RunHistory>{"loss", &RunHistory::loss},
    CurveField<RunHistory>{"balance_loss", &RunHistory::balance_loss},
    CurveField<RunHistory>{"tokens_per_second", &RunHistory::tokens_per_second},
    CurveField<RunHistory>{"mfu_ratio", &RunHistory::mfu_ratio},
    CurveField<RunHistory>{"gradient_norm", &RunHistory::gradient_norm},
    CurveField<RunHistory>{"clip_factor", &RunHistory::clip_factor},
    CurveField<RunHistory>{"learning_rate", &RunHistory::learning_rate},
    CurveField<RunHistory>{"budget_target", &RunHistory::budget_target},
    CurveField<RunHistory>{"budget_used", &RunHistory::budget_used},
    CurveField<RunHistory>{"lambda", &RunHistory::lambda},
    CurveField<RunHistory>{"alpha", &RunHistory::alpha},
};

constexpr std::array kLayerFields = {
    CurveField<LayerHistory>{"k", &LayerHistory::k},
    CurveField<LayerHistory>{"experts_per_token", &LayerHistory::experts_per_token},
    CurveField<LayerHistory>{"boundary_mass", &LayerHistory::boundary_mass},
    CurveField<LayerHistory>{"margin_median", &LayerHistory::margin_median},
    CurveField<LayerHistory>{"imbalance", &LayerHistory::imbalance},
    CurveField<LayerHistory>{"dead_experts", &LayerHistory::dead_experts},
};

/// A number as metrics are written: what was not finite is null.
double number_of(const json& value) {
  return value.is_null() ? std::nan("") : value.get<double>();
}

template <class Owner, class Fields>
void take_fields(const json& object, std::int64_t step, const Fields& fields, Owner& owner) {
  for (const auto& field : fields) {
    const auto found = object.find(field.name);
    if (found != object.end()) (owner.*field.curve).add(step, number_of(*found));
  }
}

void take_phases(const json& phases, std::int64_t step, RunHistory& history) {
  if (history.phases.empty()) {
    for (const auto& [name, seconds] : phases.items()) {
      history.phases.emplace_back(name, Curve(LayerHistory::kMaxBins));
    }
  }
  for (auto& [name, curve] : history.phases) {
    if (const auto found = phases.find(name); found != phases.end()) {
      curve.add(step, number_of(*found));
    }
  }
}

void take_layers(const json& layers, std::int64_t step, RunHistory& history) {
  if (history.layers.empty()) history.layers.resize(layers.size());
  if (history.layers.size() != layers.size()) {
    throw InvalidArgument(fmt::format("the step has {} layers, and those before it {}",
                                      layers.size(), history.layers.size()));
  }
  RunHistory::Loads loads;
  for (std::size_t layer = 0; layer < layers.size(); ++layer) {
    take_fields(layers[layer], step, kLayerFields, history.layers[layer]);
    loads.push_back(layers[layer].value("loads", std::vector<double>()));
  }
  history.last_loads.push_back(std::move(loads));
  if (history.last_loads.size() > RunHistory::kLoadSteps) history.last_loads.pop_front();
}

void take_step(const json& object, RunHistory& history) {
  const auto step = object.at("step").get<std::int64_t>();
  if (history.num_steps == 0) history.first_step = step;
  if (step < history.first_step) {
    throw InvalidArgument(
        fmt::format("step {} is before {}, the first of the file", step, history.first_step));
  }
  ++history.num_steps;
  history.last_step = step;
  history.tokens += object.value("tokens", std::int64_t{0});
  if (const auto seconds = object.find("seconds"); seconds != object.end()) {
    const double number = number_of(*seconds);
    if (std::isfinite(number)) history.seconds += number;
  }
  take_fields(object, step, kRunFields, history);
  history.skipped.add(step, object.value("skipped", false) ? 1.0 : 0.0);
  if (const auto rate = object.find("tokens_per_second"); rate != object.end()) {
    history.tokens_per_second_median.add(number_of(*rate));
  }
  if (const auto phases = object.find("phase_seconds_rank0"); phases != object.end()) {
    take_phases(*phases, step, history);
  }
  if (const auto layers = object.find("layers"); layers != object.end()) {
    take_layers(*layers, step, history);
  }
}

}  // namespace

void read_metrics(storage::FileSystem& files, const storage::Path& path, RunHistory& history) {
  const bool is_torn =
      for_each_object(files, path, [&](const json& object) { take_step(object, history); });
  if (is_torn) {
    history.remarks.emplace_back(
        "The last line of metrics.jsonl is half-written and was left out: the run is writing it, "
        "or was killed.");
  }
}

}  // namespace softmoe::training
