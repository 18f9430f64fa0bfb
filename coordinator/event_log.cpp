#include "coordinator/event_log.h"

#include <fmt/core.h>

namespace softmoe::coordinator {
namespace {

constexpr std::size_t kMaxAlarms = 64;
constexpr std::size_t kMaxBytes = 1000;

std::string with_suppressed(std::string line, RateLimit& limit) {
  if (const std::int64_t others = limit.take_suppressed(); others > 0) {
    line += fmt::format(" ({} more of these were not written)", others);
  }
  return line;
}

}  // namespace

std::string one_line(std::string_view text) {
  std::string line(text.substr(0, kMaxBytes));
  for (char& c : line) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) c = ' ';
    if (byte > 0x7f) c = '?';
  }
  return line;
}

std::optional<std::string> EventLog::note(const Alarm& alarm, TimePoint now) {
  const auto kind = static_cast<std::size_t>(alarm.kind);
  ++alarm_counts_[kind];
  if (!alarm_limits_[kind].take(now)) return std::nullopt;
  alarms_.push_back(alarm);
  if (alarms_.size() > kMaxAlarms) alarms_.pop_front();
  return with_suppressed(fmt::format("alarm ({}): {}", name_of(alarm.kind), alarm.text),
                         alarm_limits_[kind]);
}

std::optional<std::string> EventLog::note(Reason reason, std::string_view message, TimePoint now) {
  const auto index = static_cast<std::size_t>(reason);
  ++refusals_[index];
  if (!refusal_limits_[index].take(now)) return std::nullopt;
  return with_suppressed(fmt::format("refused ({}): {}", name_of(reason), one_line(message)),
                         refusal_limits_[index]);
}

void EventLog::restore(const Alarm& alarm) {
  ++alarm_counts_[static_cast<std::size_t>(alarm.kind)];
  alarms_.push_back(alarm);
  if (alarms_.size() > kMaxAlarms) alarms_.pop_front();
}

}  // namespace softmoe::coordinator
