#include "budget/set_points_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "runtime/base/errors.h"

namespace softmoe::budget {
namespace {

using nlohmann::json;

constexpr std::array kModes = {Mode::off, Mode::servo, Mode::quota};
double finite(double number) {
  if (!std::isfinite(number)) {
    throw InvalidArgument(fmt::format("set-points with {} cannot be written down", number));
  }
  return number;
}

const std::vector<double>& finite(const std::vector<double>& numbers) {
  for (const double number : numbers) (void)finite(number);
  return numbers;
}

constexpr std::array<std::pair<TemperatureKind, std::string_view>, 3> kKinds = {{
    {TemperatureKind::constant, "constant"},
    {TemperatureKind::cosine, "cosine"},
    {TemperatureKind::boundary_mass, "boundary_mass"},
}};

std::string_view name_of_kind(TemperatureKind kind) {
  return kKinds[static_cast<std::size_t>(kind)].second;
}

TemperatureKind kind_of(const std::string& name) {
  const auto found = std::find_if(kKinds.begin(), kKinds.end(),
                                  [&](const auto& kind) { return kind.second == name; });
  if (found == kKinds.end()) throw InvalidArgument(fmt::format("'{}' is no schedule", name));
  return found->first;
}

json object_of(const Temperature& temperature) {
  return {{"kind", name_of_kind(temperature.kind)},
          {"start", finite(temperature.start)},
          {"end", finite(temperature.end)},
          {"first_step", temperature.first_step},
          {"num_steps", temperature.num_steps},
          {"start_softness", finite(temperature.start_softness)},
          {"end_softness", finite(temperature.end_softness)},
          {"floor", finite(temperature.floor)},
          {"ceiling", finite(temperature.ceiling)}};
}

Temperature temperature_of(const json& object) {
  return {.kind = kind_of(object.at("kind")),
          .start = object.at("start"),
          .end = object.at("end"),
          .first_step = object.at("first_step"),
          .num_steps = object.at("num_steps"),
          .start_softness = object.at("start_softness"),
          .end_softness = object.at("end_softness"),
          .floor = object.at("floor"),
          .ceiling = object.at("ceiling")};
}

json object_of(const ServoGains& gains) {
  return {{"delay", gains.delay},
          {"newton", finite(gains.newton)},
          {"debt", finite(gains.debt)},
          {"max_step", finite(gains.max_step)},
          {"max_repayment_ratio", finite(gains.max_repayment_ratio)},
          {"gain_smoothing", finite(gains.gain_smoothing)},
          {"min_gain_ratio", finite(gains.min_gain_ratio)}};
}

ServoGains gains_of(const json& object) {
  return {.delay = object.at("delay"),
          .newton = object.at("newton"),
          .debt = object.at("debt"),
          .max_step = object.at("max_step"),
          .max_repayment_ratio = object.at("max_repayment_ratio"),
          .gain_smoothing = object.at("gain_smoothing"),
          .min_gain_ratio = object.at("min_gain_ratio")};
}

SetPoints set_points_of(const json& object) {
  return {.budget = object.at("budget"),
          .mode = mode_of(object.at("mode").get<std::string>()),
          .initial_lambda = object.at("initial_lambda"),
          .min_lambda = object.at("min_lambda"),
          .max_lambda = object.at("max_lambda"),
          .layer_cost_L = object.at("layer_costs"),
          .layer_min_L = object.at("layer_min"),
          .layer_max_L = object.at("layer_max"),
          .gains = gains_of(object.at("gains")),
          .temperature = temperature_of(object.at("temperature")),
          .revision = object.at("revision"),
          .term = object.at("term")};
}

}  // namespace

Mode mode_of(std::string_view name) {
  const auto found =
      std::find_if(kModes.begin(), kModes.end(), [&](Mode mode) { return name_of(mode) == name; });
  if (found == kModes.end()) throw InvalidArgument(fmt::format("'{}' is no mode", name));
  return *found;
}

std::string json_of(const SetPoints& points) {
  return json{{"revision", points.revision},
              {"term", points.term},
              {"budget", finite(points.budget)},
              {"mode", name_of(points.mode)},
              {"initial_lambda", finite(points.initial_lambda)},
              {"min_lambda", finite(points.min_lambda)},
              {"max_lambda", finite(points.max_lambda)},
              {"layer_costs", finite(points.layer_cost_L)},
              {"layer_min", finite(points.layer_min_L)},
              {"layer_max", finite(points.layer_max_L)},
              {"gains", object_of(points.gains)},
              {"temperature", object_of(points.temperature)}}
      .dump();
}

SetPoints set_points_from_json(std::string_view text) {
  try {
    return set_points_of(json::parse(text));
  } catch (const json::exception& error) {
    throw InvalidArgument(fmt::format("these are no set-points: {}", error.what()));
  }
}

}  // namespace softmoe::budget
