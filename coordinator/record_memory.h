#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

#include "coordinator/messages.h"

namespace softmoe::coordinator {

/// Checksums of the last records, to tell a record that is sent again from another one for the same
/// step; and the time between records.
class RecordMemory {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  /// Whether the step's record is known to be another one than this. Records that are forgotten,
  /// or came before a restart, cannot be told apart and are not called different.
  [[nodiscard]] bool differs(const AuditedRecord& audited) const;
  void remember(const AuditedRecord& audited);
  /// Records from `step` on will be made anew.
  void forget_from(Step step);

  /// `num_records` new ones arrived together.
  void note_arrival(std::size_t num_records, TimePoint now);
  /// What arrives next was made earlier and says nothing about how long a step takes.
  void pause_clock() { arrived_.reset(); }
  /// Median over the last steps; 0 before there are two.
  [[nodiscard]] double median_step_seconds() const;

 private:
  struct Known {
    Step step;
    std::uint32_t checksum = 0;
  };

  std::deque<Known> known_;  ///< ascending
  std::deque<double> step_seconds_;
  std::optional<TimePoint> arrived_;
};

}  // namespace softmoe::coordinator
