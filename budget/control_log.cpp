#include "budget/control_log.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "budget/set_points_json.h"
#include "runtime/base/errors.h"

namespace softmoe::budget {
namespace {

using nlohmann::json;

SetPointChange change_of(const json& object) {
  return {.effective_from = Step(object.at("from").get<std::int64_t>()),
          .set_points = set_points_from_json(object.dump())};
}

ControlWord word_of(const json& object) {
  return {.step = Step(object.at("step").get<std::int64_t>()),
          .revision = object.at("revision"),
          .term = object.at("term"),
          .lambda = object.at("lambda"),
          .alpha = object.at("alpha"),
          .budget = object.at("budget"),
          .mode = mode_of(object.at("mode").get<std::string>()),
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
  json object = json::parse(json_of(change.set_points));
  object["from"] = change.effective_from.value;
  return json{{"set_points", std::move(object)}}.dump();
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
