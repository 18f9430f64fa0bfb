#include "coordinator/call_rate.h"

#include <fmt/format.h>

#include <algorithm>

#include "coordinator/refusal.h"
#include "runtime/base/errors.h"

namespace softmoe::coordinator {
namespace {

constexpr double kMinCapacity = 10.0;

double seconds_between(CallRate::TimePoint begin, CallRate::TimePoint end) {
  return std::chrono::duration<double>(end - begin).count();
}

}  // namespace

CallRate::CallRate(double calls_per_second, std::size_t max_callers)
    : rate_(calls_per_second),
      capacity_(std::max(calls_per_second, kMinCapacity)),
      max_callers_(max_callers) {
  require(calls_per_second > 0, "a rate of calls must be positive");
}

void CallRate::count(const std::string& caller, TimePoint now) {
  const std::lock_guard lock(mutex_);
  auto found = buckets_.find(caller);
  if (found == buckets_.end()) {
    if (buckets_.size() >= max_callers_) forget_idle(now);
    if (buckets_.size() >= max_callers_) {
      throw Refused(Reason::too_often, fmt::format("more than {} callers at a time", max_callers_));
    }
    found = buckets_.emplace(caller, Bucket{.calls = capacity_, .filled = now}).first;
  }
  Bucket& bucket = found->second;
  // Time that seems to go back, by two threads that took it in one order and came in another.
  if (now > bucket.filled) {
    bucket.calls = std::min(capacity_, bucket.calls + rate_ * seconds_between(bucket.filled, now));
    bucket.filled = now;
  }
  if (bucket.calls < 1.0) {
    throw Refused(Reason::too_often,
                  fmt::format("{} calls more than {} times a second; call again in {:.0f} ms",
                              caller, rate_, 1000.0 * (1.0 - bucket.calls) / rate_));
  }
  bucket.calls -= 1.0;
}

void CallRate::forget_idle(TimePoint now) {
  // At most once a second, or a flood of new callers would make each of them cost the whole table.
  if (seconds_between(forgot_, now) < 1.0) return;
  forgot_ = now;
  std::erase_if(buckets_, [&](const auto& entry) {
    const Bucket& bucket = entry.second;
    return bucket.calls + rate_ * seconds_between(bucket.filled, now) >= capacity_;
  });
}

std::size_t CallRate::num_callers() const {
  const std::lock_guard lock(mutex_);
  return buckets_.size();
}

}  // namespace softmoe::coordinator
