#include "runtime/base/progress.h"

namespace softmoe {

namespace {

// One word, so that another thread never sees half of a move: step, operation, layer, phase.
constexpr int kPhaseBits = 5;
constexpr int kLayerBits = 11;
constexpr int kOperationBits = 20;
constexpr int kOperationShift = kPhaseBits + kLayerBits;
constexpr int kStepShift = kOperationShift + kOperationBits;
static_assert(kNumPhases <= 1 << kPhaseBits);

constexpr std::uint64_t mask(int bits) {
  return (std::uint64_t{1} << bits) - 1;
}

std::uint64_t word_of(const Progress::Place& place) {
  return static_cast<std::uint64_t>(place.step.value) << kStepShift |
         (static_cast<std::uint64_t>(place.operation) & mask(kOperationBits)) << kOperationShift |
         (static_cast<std::uint64_t>(place.layer) & mask(kLayerBits)) << kPhaseBits |
         static_cast<std::uint64_t>(place.phase);
}

}  // namespace

Progress::Place Progress::enter(Phase phase, int layer) {
  const Place before = place();
  const Clock::time_point now = Clock::now();
  seconds_[static_cast<std::size_t>(before.phase)] +=
      std::chrono::duration<double>(now - since_).count();
  since_ = now;
  word_.store(word_of({before.step, phase, layer, before.operation + 1}),
              std::memory_order_relaxed);
  return before;
}

void Progress::begin_step(Step step) {
  const Place before = place();
  word_.store(word_of({step, before.phase, before.layer, 0}), std::memory_order_relaxed);
}

Progress::Place Progress::place() const {
  const std::uint64_t word = word_.load(std::memory_order_relaxed);
  return {.step = Step(static_cast<std::int64_t>(word >> kStepShift)),
          .phase = static_cast<Phase>(word & mask(kPhaseBits)),
          .layer = static_cast<int>(word >> kPhaseBits & mask(kLayerBits)),
          .operation = static_cast<std::int64_t>(word >> kOperationShift & mask(kOperationBits))};
}

void Progress::reset_seconds() {
  seconds_.fill(0);
  since_ = Clock::now();
}

}  // namespace softmoe
