#include "coordinator/call_counts.h"

#include <algorithm>

namespace softmoe::coordinator {
namespace {

constexpr std::size_t kCodeUnknown = 2;

}  // namespace

void CallCounts::note(const MethodRules* rules, int code,
                      std::chrono::steady_clock::duration duration) {
  const std::size_t method =
      rules == nullptr ? kMethods.size() : static_cast<std::size_t>(rules->method);
  const bool is_known = code >= 0 && static_cast<std::size_t>(code) < kCodeNames.size();
  const double seconds = std::chrono::duration<double>(duration).count();
  const auto bound = std::lower_bound(kCallSeconds.begin(), kCallSeconds.end(), seconds);
  const auto nanoseconds = std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count();

  Counters& counters = counters_[method];
  constexpr auto kOrder = std::memory_order_relaxed;
  counters.by_code[is_known ? static_cast<std::size_t>(code) : kCodeUnknown].fetch_add(1, kOrder);
  counters.by_seconds[static_cast<std::size_t>(bound - kCallSeconds.begin())].fetch_add(1, kOrder);
  counters.nanoseconds.fetch_add(nanoseconds, kOrder);
}

AllCallTotals CallCounts::totals() const {
  constexpr double kSecondsPerNanosecond = 1e-9;
  constexpr auto kOrder = std::memory_order_relaxed;
  AllCallTotals totals;
  for (std::size_t method = 0; method < kNumCounted; ++method) {
    const Counters& from = counters_[method];
    CallTotals& to = totals[method];
    for (std::size_t i = 0; i < from.by_code.size(); ++i)
      to.by_code[i] = from.by_code[i].load(kOrder);
    for (std::size_t i = 0; i < from.by_seconds.size(); ++i) {
      to.by_seconds[i] = from.by_seconds[i].load(kOrder);
    }
    to.seconds = static_cast<double>(from.nanoseconds.load(kOrder)) * kSecondsPerNanosecond;
  }
  return totals;
}

}  // namespace softmoe::coordinator
