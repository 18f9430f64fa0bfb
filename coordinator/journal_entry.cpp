#include "coordinator/journal_entry.h"

#include <fmt/core.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <vector>

#include "runtime/base/errors.h"

namespace softmoe::coordinator {
namespace {

// Keys in the order written: the same entry is always the same text.
using Json = nlohmann::ordered_json;

/// A double that comes back as it was.
double finite(double number) {
  if (!std::isfinite(number)) {
    throw InvalidArgument(fmt::format("the journal holds no number like {}", number));
  }
  return number;
}

/// An enumerator by its number, up to `last`.
template <class E>
E enumerator(const Json& json, E last) {
  const auto number = json.get<std::uint64_t>();
  if (number > static_cast<std::uint64_t>(last)) {
    throw InvalidArgument(fmt::format("{} is none of the {} values of an enumeration", number,
                                      static_cast<std::uint64_t>(last) + 1));
  }
  return static_cast<E>(number);
}

Json list_of(const std::vector<double>& numbers) {
  Json list = Json::array();
  for (const double number : numbers) list.push_back(finite(number));
  return list;
}

Json json_of(const budget::ServoGains& gains) {
  return {{"delay", gains.delay},
          {"newton", finite(gains.newton)},
          {"debt", finite(gains.debt)},
          {"max_step", finite(gains.max_step)},
          {"max_repayment_ratio", finite(gains.max_repayment_ratio)},
          {"gain_smoothing", finite(gains.gain_smoothing)},
          {"min_gain_ratio", finite(gains.min_gain_ratio)}};
}

budget::ServoGains gains_of(const Json& json) {
  return {.delay = json.at("delay").get<int>(),
          .newton = json.at("newton").get<double>(),
          .debt = json.at("debt").get<double>(),
          .max_step = json.at("max_step").get<double>(),
          .max_repayment_ratio = json.at("max_repayment_ratio").get<double>(),
          .gain_smoothing = json.at("gain_smoothing").get<double>(),
          .min_gain_ratio = json.at("min_gain_ratio").get<double>()};
}

Json json_of(const budget::Temperature& temperature) {
  return {{"kind", static_cast<int>(temperature.kind)},
          {"start", finite(temperature.start)},
          {"end", finite(temperature.end)},
          {"first_step", temperature.first_step},
          {"num_steps", temperature.num_steps},
          {"start_softness", finite(temperature.start_softness)},
          {"end_softness", finite(temperature.end_softness)},
          {"floor", finite(temperature.floor)},
          {"ceiling", finite(temperature.ceiling)}};
}

budget::Temperature temperature_of(const Json& json) {
  return {.kind = enumerator(json.at("kind"), budget::TemperatureKind::boundary_mass),
          .start = json.at("start").get<double>(),
          .end = json.at("end").get<double>(),
          .first_step = json.at("first_step").get<std::int64_t>(),
          .num_steps = json.at("num_steps").get<std::int64_t>(),
          .start_softness = json.at("start_softness").get<double>(),
          .end_softness = json.at("end_softness").get<double>(),
          .floor = json.at("floor").get<double>(),
          .ceiling = json.at("ceiling").get<double>()};
}

Json json_of(const budget::SetPoints& set_points) {
  return {{"budget", finite(set_points.budget)},
          {"mode", static_cast<int>(set_points.mode)},
          {"initial_lambda", finite(set_points.initial_lambda)},
          {"min_lambda", finite(set_points.min_lambda)},
          {"max_lambda", finite(set_points.max_lambda)},
          {"layer_cost", list_of(set_points.layer_cost_L)},
          {"layer_min", list_of(set_points.layer_min_L)},
          {"layer_max", list_of(set_points.layer_max_L)},
          {"gains", json_of(set_points.gains)},
          {"temperature", json_of(set_points.temperature)},
          {"revision", set_points.revision},
          {"term", set_points.term}};
}

budget::SetPoints set_points_of(const Json& json) {
  return {.budget = json.at("budget").get<double>(),
          .mode = enumerator(json.at("mode"), budget::Mode::quota),
          .initial_lambda = json.at("initial_lambda").get<double>(),
          .min_lambda = json.at("min_lambda").get<double>(),
          .max_lambda = json.at("max_lambda").get<double>(),
          .layer_cost_L = json.at("layer_cost").get<std::vector<double>>(),
          .layer_min_L = json.at("layer_min").get<std::vector<double>>(),
          .layer_max_L = json.at("layer_max").get<std::vector<double>>(),
          .gains = gains_of(json.at("gains")),
          .temperature = temperature_of(json.at("temperature")),
          .revision = json.at("revision").get<std::int64_t>(),
          .term = json.at("term").get<std::int64_t>()};
}

budget::Request request_of(const Json& json) {
  const auto bits = json.get<std::uint32_t>();
  for (const budget::Request request :
       {budget::Request::save, budget::Request::drain, budget::Request::stop}) {
    if (bits == static_cast<std::uint32_t>(request)) return request;
  }
  throw InvalidArgument(fmt::format("{} is no request", bits));
}

Json json_of(const HeaderEntry& entry) {
  return {{"kind", "journal"},
          {"version", entry.version},
          {"run_id", entry.run.run_id},
          {"program", entry.run.version},
          {"config_hash", entry.run.config_hash},
          {"world", entry.run.world},
          {"unix_seconds", entry.unix_seconds}};
}

Json json_of(const TermEntry& entry) {
  return {{"kind", "term"}, {"term", entry.term}};
}

Json json_of(const ChangeEntry& entry) {
  return {{"kind", "change"},
          {"effective_from", entry.change.effective_from.value},
          {"set_points", json_of(entry.change.set_points)}};
}

Json json_of(const RequestEntry& entry) {
  return {{"kind", "request"},
          {"number", entry.request.number},
          {"request", static_cast<std::uint32_t>(entry.request.request)}};
}

Json json_of(const ToldEntry& entry) {
  return {{"kind", "told"}, {"number", entry.number}, {"incarnation", entry.incarnation}};
}

Json json_of(const OverEntry& entry) {
  return {{"kind", "over"}, {"number", entry.number}};
}

Json json_of(const DigestEntry& entry) {
  return {{"kind", "digest"},
          {"last_record", entry.last_record.value},
          {"lambda", finite(entry.state.lambda)},
          {"alpha", finite(entry.state.alpha)},
          {"debt", finite(entry.state.debt)},
          {"gain", finite(entry.state.gain)},
          {"state_of", entry.state.last_record.value},
          {"revision", entry.revision},
          {"agreed", entry.audit.agreed},
          {"disagreed", entry.audit.disagreed},
          {"unaudited", entry.audit.unaudited},
          {"alarms", entry.alarm_counts}};
}

Json json_of(const AlarmEntry& entry) {
  return {{"kind", "alarm"},
          {"alarm", static_cast<int>(entry.alarm.kind)},
          {"unix_seconds", entry.alarm.unix_seconds},
          {"step", entry.alarm.step.value},
          {"text", entry.alarm.text}};
}

HeaderEntry header_of(const Json& json) {
  return {.version = json.at("version").get<int>(),
          .run = {.run_id = json.at("run_id").get<std::string>(),
                  .version = json.at("program").get<std::string>(),
                  .config_hash = json.at("config_hash").get<std::string>(),
                  .world = json.at("world").get<int>()},
          .unix_seconds = json.at("unix_seconds").get<std::int64_t>()};
}

DigestEntry digest_of(const Json& json) {
  return {.last_record = Step(json.at("last_record").get<std::int64_t>()),
          .state = {.lambda = json.at("lambda").get<double>(),
                    .alpha = json.at("alpha").get<double>(),
                    .debt = json.at("debt").get<double>(),
                    .gain = json.at("gain").get<double>(),
                    .last_record = Step(json.at("state_of").get<std::int64_t>())},
          .revision = json.at("revision").get<std::int64_t>(),
          .audit = {.agreed = json.at("agreed").get<std::int64_t>(),
                    .disagreed = json.at("disagreed").get<std::int64_t>(),
                    .unaudited = json.at("unaudited").get<std::int64_t>()},
          .alarm_counts = json.at("alarms").get<std::array<std::int64_t, kNumAlarmKinds>>()};
}

AlarmEntry alarm_of(const Json& json) {
  return {{.kind = enumerator(json.at("alarm"), AlarmKind::journal),
           .unix_seconds = json.at("unix_seconds").get<std::int64_t>(),
           .step = Step(json.at("step").get<std::int64_t>()),
           .text = json.at("text").get<std::string>()}};
}

JournalEntry entry_of(const Json& json) {
  const auto kind = json.at("kind").get<std::string>();
  if (kind == "journal") return header_of(json);
  if (kind == "term") return TermEntry{json.at("term").get<std::int64_t>()};
  if (kind == "change") {
    return ChangeEntry{{.effective_from = Step(json.at("effective_from").get<std::int64_t>()),
                        .set_points = set_points_of(json.at("set_points"))}};
  }
  if (kind == "request") {
    return RequestEntry{{.number = json.at("number").get<std::int64_t>(),
                         .request = request_of(json.at("request"))}};
  }
  if (kind == "told") {
    return ToldEntry{json.at("number").get<std::int64_t>(),
                     json.at("incarnation").get<std::uint64_t>()};
  }
  if (kind == "over") return OverEntry{json.at("number").get<std::int64_t>()};
  if (kind == "digest") return digest_of(json);
  if (kind == "alarm") return alarm_of(json);
  throw InvalidArgument(fmt::format("it is of the unknown kind '{}'", kind));
}

}  // namespace

std::string encode(const JournalEntry& entry) {
  try {
    return std::visit([](const auto& each) { return json_of(each); }, entry).dump();
  } catch (const Json::exception& error) {
    throw InvalidArgument(fmt::format("an entry of the journal: {}", error.what()));
  }
}

JournalEntry decode(std::string_view text) {
  try {
    return entry_of(Json::parse(text));
  } catch (const Json::exception& error) {
    throw InvalidArgument(error.what());
  }
}

}  // namespace softmoe::coordinator
