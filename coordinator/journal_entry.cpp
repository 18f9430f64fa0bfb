#include "coordinator/journal_entry.h"

#include <fmt/core.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <vector>

#include "budget/set_points_json.h"
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
          {"set_points", Json::parse(budget::json_of(entry.change.set_points))}};
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
                        .set_points = budget::set_points_from_json(json.at("set_points").dump())}};
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
