#include "training/report/event_lines.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "training/report/text_lines.h"

namespace softmoe::training {

namespace {

using nlohmann::json;

constexpr std::size_t kMaxDetailBytes = 300;

/// In words, and not too many.
std::string words_of(const json& value) {
  std::string words = value.is_string()
                          ? value.get<std::string>()
                          : value.dump(-1, ' ', false, json::error_handler_t::replace);
  if (words.size() > kMaxDetailBytes) words = words.substr(0, kMaxDetailBytes) + " …";
  return words;
}

std::string details_of(const json& event) {
  std::vector<std::string> details;
  for (const auto& [key, value] : event.items()) {
    if (key == "event" || key == "step" || key == "time") continue;
    details.push_back(fmt::format("{} {}", key, words_of(value)));
  }
  return fmt::format("{}", fmt::join(details, ", "));
}

void take_event(const json& object, RunHistory& history) {
  RunEvent event{.step = object.value("step", std::int64_t{0}),
                 .time = object.value("time", std::string()),
                 .name = object.at("event").get<std::string>(),
                 .details = details_of(object)};
  if (!event.time.empty()) history.last_event = event.time;
  if (event.name == "evaluation") {
    const json loss = object.value("loss", json());
    history.validation.add(event.step, loss.is_null() ? std::nan("") : loss.get<double>());
    ++history.num_validations;
    return;
  }
  if (event.name == "start") {
    history.started = event.time;
    if (const auto ranks = object.find("ranks"); ranks != object.end()) {
      history.ranks = ranks->get<std::int64_t>();
    }
  }
  const bool is_end = event.name == "done" || event.name == "drained";
  if (is_end || event.name == "start") history.end = is_end ? event.name : "";
  history.events.add(std::move(event));
}

/// `gains.debt`: the keys of nested objects; lists stay whole.
void flatten(const json& object, const std::string& prefix, json& flat) {
  for (const auto& [key, value] : object.items()) {
    if (value.is_object()) {
      flatten(value, prefix + key + ".", flat);
    } else {
      flat[prefix + key] = value;
    }
  }
}

/// "budget 8 → 6, mode servo → quota"
std::string difference(const json& before, const json& after) {
  std::vector<std::string> changes;
  for (const auto& [key, value] : after.items()) {
    if (key == "from" || key == "revision" || key == "term") continue;
    const json old = before.value(key, json());
    if (old != value)
      changes.push_back(fmt::format("{} {} → {}", key, words_of(old), words_of(value)));
  }
  return changes.empty() ? "no value changed" : fmt::format("{}", fmt::join(changes, ", "));
}

}  // namespace

void read_events(storage::FileSystem& files, const storage::Path& path, RunHistory& history) {
  const bool is_torn =
      for_each_object(files, path, [&](const json& object) { take_event(object, history); });
  if (is_torn) {
    history.remarks.emplace_back("The last line of events.jsonl is half-written and was left out.");
  }
}

void read_set_points(storage::FileSystem& files, const storage::Path& path, RunHistory& history) {
  json before;
  // A torn last line loses nothing that metrics.jsonl does not say.
  (void)for_each_object(files, path, [&](const json& object) {
    const auto found = object.find("set_points");
    if (found == object.end()) return;
    json now = json::object();
    flatten(*found, "", now);
    if (before.is_null()) {
      history.first_set_points =
          fmt::format("mode {}, budget {}", words_of(now.value("mode", json())),
                      words_of(now.value("budget", json())));
    } else {
      history.set_points.add({.step = now.value("from", std::int64_t{0}),
                              .time = "",
                              .name = "set-points",
                              .details = difference(before, now)});
    }
    before = std::move(now);
  });
}

}  // namespace softmoe::training
