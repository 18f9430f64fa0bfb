#include "runtime/base/progress.h"

namespace softmoe {

Progress::Place Progress::enter(Phase phase, int layer) {
  const Place before = place();
  const Clock::time_point now = Clock::now();
  seconds_[static_cast<std::size_t>(before.phase)] +=
      std::chrono::duration<double>(now - since_).count();
  since_ = now;
  word_.store((before.operation + 1) << 24 | static_cast<std::uint64_t>(layer & 0xffff) << 8 |
                  static_cast<std::uint64_t>(phase),
              std::memory_order_relaxed);
  return before;
}

Progress::Place Progress::place() const {
  const std::uint64_t word = word_.load(std::memory_order_relaxed);
  return {static_cast<Phase>(word & 0xff), static_cast<int>(word >> 8 & 0xffff), word >> 24};
}

void Progress::reset_seconds() {
  seconds_.fill(0);
  since_ = Clock::now();
}

}  // namespace softmoe
