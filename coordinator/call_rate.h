#pragma once

#include <chrono>
#include <mutex>
#include <string>
#include <unordered_map>

namespace softmoe::coordinator {

/// How often each caller may call: a bucket of tokens per caller that fills at a rate and holds a
/// second's worth, at least ten. Any thread.
class CallRate {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  /// More callers than this at a time are refused, whoever they are.
  static constexpr std::size_t kMaxCallers = 1 << 17;

  /// @param calls_per_second  positive
  explicit CallRate(double calls_per_second, std::size_t max_callers = kMaxCallers);

  /// Counts a call of `caller`.
  /// @throws Refused too_often, naming the rate and when to try again; then it does not count
  void count(const std::string& caller, TimePoint now);

  [[nodiscard]] std::size_t num_callers() const;

 private:
  struct Bucket {
    double calls = 0.0;  ///< that may be made at once
    TimePoint filled;
  };

  /// Forgets callers whose buckets are full again: a new one would be the same.
  void forget_idle(TimePoint now);

  double rate_;
  double capacity_;
  std::size_t max_callers_;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, Bucket> buckets_;
  TimePoint forgot_;
};

}  // namespace softmoe::coordinator
