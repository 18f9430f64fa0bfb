#include "budget/control_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "runtime/base/errors.h"

namespace softmoe::budget {
namespace {

using nlohmann::json;

constexpr std::array kModes = {Mode::off, Mode::servo, Mode::quota};
constexpr std::array<std::pair<TemperatureKind, std::string_view>, 3> kKinds = {{
    {TemperatureKind::constant, "constant"},
    {TemperatureKind::cosine, "cosine"},
    {TemperatureKind::boundary_mass, "boundary_mass"},
}};

Mode mode_of(const std::string& name) {
  const auto found =
      std::find_if(kModes.begin(), kModes.end(), [&](Mode mode) { return name_of(mode) == name; });
  if (found == kModes.end()) throw std::out_of_range(fmt::format("'{}' is no mode", name));
  return *found;
}

std::string_view name_of_kind(TemperatureKind kind) {
  return kKinds[static_cast<std::size_t>(kind)].second;
}

TemperatureKind kind_of(const std::string& name) {
  const auto found = std::find_if(kKinds.begin(), kKinds.end(),
                                  [&](const auto& kind) { return kind.second == name; });
  if (found == kKinds.end()) throw std::out_of_range(fmt::format("'{}' is no schedule", name));
  return found->first;
}

json json_of(const Temperature& temperature) {
  return {{"kind", name_of_kind(temperature.kind)},
          {"start", temperature.start},
          {"end", temperature.end},
          {"first_step", temperature.first_step},
          {"num_steps", temperature.num_steps},
          {"start_softness", temperature.start_softness},
          {"end_softness", temperature.end_softness},
          {"floor", temperature.floor},
          {"ceiling", temperature.ceiling}};
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

json json_of(const ServoGains& gains) {
  return {{"delay", gains.delay},
          {"newton", gains.newton},
          {"debt", gains.debt},
          {"max_step", gains.max_step},
          {"max_repayment_ratio", gains.max_repayment_ratio},
          {"gain_smoothing", gains.gain_smoothing},
          {"min_gain_ratio", gains.min_gain_ratio}};
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

SetPointChange change_of(const json& object) {
  return {.effective_from = Step(object.at("from").get<std::int64_t>()),
          .set_points = {.budget = object.at("budget"),
                         .mode = mode_of(object.at("mode")),
                         .initial_lambda = object.at("initial_lambda"),
                         .min_lambda = object.at("min_lambda"),
                         .max_lambda = object.at("max_lambda"),
                         .layer_cost_L = object.at("layer_costs"),
                         .layer_min_L = object.at("layer_min"),
                         .layer_max_L = object.at("layer_max"),
                         .gains = gains_of(object.at("gains")),
                         .temperature = temperature_of(object.at("temperature")),
                         .revision = object.at("revision"),
                         .term = object.at("term")}};
}

ControlWord word_of(const json& object) {
  return {.step = Step(object.at("step").get<std::int64_t>()),
          .revision = object.at("revision"),
          .term = object.at("term"),
          .lambda = object.at("lambda"),
          .alpha = object.at("alpha"),
          .budget = object.at("budget"),
          .mode = mode_of(object.at("mode")),
          .requests = object.at("requests")};
}

void add_line(std::string_view line, ControlLog& log) {
  const json object = json::parse(line);
  if (object.contains("word")) {
    const ControlWord word = word_of(object.at("word"));
    if (!log.words.empty() && word.step.value != log.words.back().step.value + 1) {
      throw std::out_of_range(
          fmt::format("step {} follows step {}", word.step.value, log.words.back().step.value));
    }
    log.words.push_back(word);
    return;
  }
  SetPointChange change = change_of(object.at("set_points"));
  if (auto fault = find_fault(change.set_points)) throw std::out_of_range(*fault);
  log.changes.push_back(std::move(change));
}

std::string words_of(const ControlWord& word) {
  return fmt::format("lambda {}, alpha {}, budget {}, mode {}, revision {}", word.lambda,
                     word.alpha, word.budget, name_of(word.mode), word.revision);
}

}  // namespace

std::string line_of(const ControlWord& word) {
  return json{{"word",
               {{"step", word.step.value},
                {"revision", word.revision},
                {"term", word.term},
                {"lambda", word.lambda},
                {"alpha", word.alpha},
                {"budget", word.budget},
                {"mode", name_of(word.mode)},
                {"requests", word.requests}}}}
      .dump();
}

std::string line_of(const SetPointChange& change) {
  const SetPoints& points = change.set_points;
  return json{{"set_points",
               {{"from", change.effective_from.value},
                {"revision", points.revision},
                {"term", points.term},
                {"budget", points.budget},
                {"mode", name_of(points.mode)},
                {"initial_lambda", points.initial_lambda},
                {"min_lambda", points.min_lambda},
                {"max_lambda", points.max_lambda},
                {"layer_costs", points.layer_cost_L},
                {"layer_min", points.layer_min_L},
                {"layer_max", points.layer_max_L},
                {"gains", json_of(points.gains)},
                {"temperature", json_of(points.temperature)}}}}
      .dump();
}

ControlLog parse_control_log(std::string_view text, const std::string& name) {
  ControlLog log;
  int number = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = text.find('\n', begin);
    if (end == std::string_view::npos) break;  // torn off
    ++number;
    try {
      add_line(text.substr(begin, end - begin), log);
    } catch (const std::exception& error) {
      throw StorageError(
          StorageError::Kind::bad_format,
          fmt::format("'{}' line {} is not of a control log: {}", name, number, error.what()));
    }
    begin = end + 1;
  }
  if (log.words.empty() || log.changes.empty()) {
    throw StorageError(StorageError::Kind::bad_format,
                       fmt::format("'{}' holds no finished step", name));
  }
  return log;
}

void LoggedLink::submit(const StepReport& report) {
  const ControlWord& word = report.record.in_force;
  if (logged_revision_ != word.revision) {
    sink_(line_of({word.step, report.timeline.at(word.step)}));
    logged_revision_ = word.revision;
  }
  sink_(line_of(word));
  inner_->submit(report);
}

void ReplayLink::submit(const StepReport& report) {
  if (difference_) return;
  ControlWord word = report.record.in_force;
  const std::int64_t place = word.step.value - log_.words.front().step.value;
  if (place < 0 || place >= std::ssize(log_.words)) return;
  const ControlWord& logged = log_.words[static_cast<std::size_t>(place)];
  word.requests = logged.requests;
  if (word == logged) return;
  difference_ = fmt::format("step {} ran under {}; the log has {}", word.step.value, words_of(word),
                            words_of(logged));
}

LinkNews ReplayLink::poll() {
  if (std::exchange(told_, true)) return {};
  return {.changes = {log_.changes.begin() + 1, log_.changes.end()}};
}

}  // namespace softmoe::budget
