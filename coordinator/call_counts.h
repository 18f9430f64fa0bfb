#pragma once

// How many calls a server had, what came of them, and how long they took.

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <string_view>

#include "coordinator/methods.h"

namespace softmoe::coordinator {

/// Names of gRPC's status codes, by number.
inline constexpr std::array<std::string_view, 17> kCodeNames = {
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
};
inline constexpr int kCodeOk = 0;
inline constexpr int kCodeUnimplemented = 12;

/// Ascending upper bounds of the classes of durations, in seconds; one more class is above them.
inline constexpr std::array kCallSeconds = {1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2,
                                            5e-2, 0.1,    0.25, 0.5,  1.0,    2.5,  5.0,  10.0};

/// The methods of the service, and one more for calls of none.
inline constexpr std::size_t kNumCounted = kMethods.size() + 1;
/// "SendHeartbeat"; "unknown" for calls of no method.
[[nodiscard]] constexpr std::string_view counted_name(std::size_t index) {
  return index < kMethods.size() ? name_of(kMethods[index]) : "unknown";
}

/// The calls of one method that have been answered.
struct CallTotals {
  std::array<std::int64_t, kCodeNames.size()> by_code{};
  std::array<std::int64_t, kCallSeconds.size() + 1> by_seconds{};
  double seconds = 0.0;  ///< all together

  friend bool operator==(const CallTotals&, const CallTotals&) = default;
};
using AllCallTotals = std::array<CallTotals, kNumCounted>;

/// Counts answered calls. Any thread; wait-free.
class CallCounts {
 public:
  /// @param rules     null: a call of no method
  /// @param code      a number of kCodeNames; any other counts as UNKNOWN
  /// @param duration  from the call's arrival to its answer
  void note(const MethodRules* rules, int code, std::chrono::steady_clock::duration duration);

  /// What has been counted; a call that is being counted may be in one of its numbers only.
  [[nodiscard]] AllCallTotals totals() const;

 private:
  struct Counters {
    std::array<std::atomic<std::int64_t>, kCodeNames.size()> by_code{};
    std::array<std::atomic<std::int64_t>, kCallSeconds.size() + 1> by_seconds{};
    std::atomic<std::int64_t> nanoseconds = 0;
  };
  std::array<Counters, kNumCounted> counters_;
};

}  // namespace softmoe::coordinator
