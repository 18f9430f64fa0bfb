#pragma once

#include <chrono>

namespace softmoe {

/// A point in time after which waiting is a CommError. Every wait has one.
class Deadline {
 public:
  using Clock = std::chrono::steady_clock;

  [[nodiscard]] static Deadline in(std::chrono::milliseconds limit) {
    return Deadline(Clock::now() + limit, limit);
  }

  [[nodiscard]] bool passed() const { return Clock::now() >= end_; }
  [[nodiscard]] Clock::time_point end() const { return end_; }
  /// How long the wait was allowed to be, for the message.
  [[nodiscard]] std::chrono::milliseconds limit() const { return limit_; }

 private:
  Deadline(Clock::time_point end, std::chrono::milliseconds limit) : end_(end), limit_(limit) {}

  Clock::time_point end_;
  std::chrono::milliseconds limit_;
};

}  // namespace softmoe
