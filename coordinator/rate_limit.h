#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <utility>

namespace softmoe::coordinator {

/// Lets five events through at once and then one every 12 seconds, and counts the others. A caller
/// who repeats himself fills no log, and whoever reads it learns how often it was.
class RateLimit {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  /// Whether the event is let through.
  [[nodiscard]] bool take(TimePoint now) {
    const double earned = std::chrono::duration<double>(now - last_).count() / kSecondsPerEvent;
    tokens_ = is_used_ ? std::min(kBurst, tokens_ + earned) : kBurst;
    last_ = now;
    is_used_ = true;
    if (tokens_ < 1.0) {
      ++suppressed_;
      return false;
    }
    tokens_ -= 1.0;
    return true;
  }

  /// Events that were not let through since the last call.
  [[nodiscard]] std::int64_t take_suppressed() { return std::exchange(suppressed_, 0); }

 private:
  static constexpr double kBurst = 5.0;
  static constexpr double kSecondsPerEvent = 12.0;

  double tokens_ = kBurst;
  TimePoint last_;
  bool is_used_ = false;
  std::int64_t suppressed_ = 0;
};

}  // namespace softmoe::coordinator
