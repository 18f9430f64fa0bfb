#pragma once

#include <chrono>
#include <cstdint>

namespace softmoe::parallel {

/// What a rank does between two polls. As long as its bytes may well be moving it only yields the
/// processor, since nothing moves unless it polls; after that it sleeps between polls, so that a
/// rank that waits does not take the processor from one that computes.
class PollPace {
 public:
  using Clock = std::chrono::steady_clock;

  explicit PollPace(std::int64_t bytes);

  /// Rests, and says whether there is time for something slower than a poll: a look at the
  /// deadline and at notices of failure.
  [[nodiscard]] bool rest();

 private:
  Clock::time_point yield_until_;
  Clock::time_point next_look_;
};

}  // namespace softmoe::parallel
