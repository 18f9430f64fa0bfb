#pragma once

#include <array>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "coordinator/messages.h"
#include "coordinator/rate_limit.h"

namespace softmoe::coordinator {

/// A text from outside as one line of bounded length, safe for logs and JSON: control characters
/// and bytes outside ASCII become spaces and question marks.
[[nodiscard]] std::string one_line(std::string_view text);

/// Counts alarms and refusals, and says which of them deserve a line. Each kind has a rate of its
/// own (rate_limit.h).
class EventLog {
 public:
  using TimePoint = RateLimit::TimePoint;

  /// Counts the alarm and keeps it among the last ones, unless its kind came too often.
  /// @return the line to write, or nothing for one too many
  [[nodiscard]] std::optional<std::string> note(const Alarm& alarm, TimePoint now);
  /// @return the line to write, or nothing for one too many
  [[nodiscard]] std::optional<std::string> note(Reason reason, std::string_view message,
                                                TimePoint now);
  /// From the journal.
  void restore(const Alarm& alarm);
  void restore(const std::array<std::int64_t, kNumAlarmKinds>& counts) { alarm_counts_ = counts; }

  [[nodiscard]] const std::deque<Alarm>& alarms() const { return alarms_; }
  [[nodiscard]] const std::array<std::int64_t, kNumAlarmKinds>& alarm_counts() const {
    return alarm_counts_;
  }
  [[nodiscard]] const std::array<std::int64_t, kNumReasons>& refusals() const { return refusals_; }

 private:
  std::deque<Alarm> alarms_;
  std::array<std::int64_t, kNumAlarmKinds> alarm_counts_{};
  std::array<std::int64_t, kNumReasons> refusals_{};
  std::array<RateLimit, kNumAlarmKinds> alarm_limits_;
  std::array<RateLimit, kNumReasons> refusal_limits_;
};

}  // namespace softmoe::coordinator
