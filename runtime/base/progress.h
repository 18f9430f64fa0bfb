#pragma once

// Where a rank is: one word that another thread may read at any time, and the seconds spent in
// each phase of a step.

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <string_view>

#include "runtime/base/strong.h"

namespace softmoe {

/// Phases of a training step. Exclusive: entering one suspends the one around it.
enum class Phase : std::uint8_t {
  idle,
  data,
  embedding,
  norm,
  attention,
  router,
  pack,
  counts,
  dispatch,
  experts,
  combine,
  feed_forward,
  loss,
  reduce,
  optimizer,
  gather,
  storage,
};
inline constexpr int kNumPhases = 17;

[[nodiscard]] constexpr std::string_view name_of(Phase phase) {
  constexpr std::array<std::string_view, kNumPhases> names = {
      "idle", "data",   "embedding", "norm",    "attention", "router",
      "pack", "counts", "dispatch",  "experts", "combine",   "feed_forward",
      "loss", "reduce", "optimizer", "gather",  "storage"};
  return names[static_cast<std::size_t>(phase)];
}

/// Progress of one rank. Written by the rank's thread; `word()` may be read by any thread.
class Progress {
 public:
  using Clock = std::chrono::steady_clock;
  struct Place {
    Step step = {};
    Phase phase = Phase::idle;
    int layer = 0;
    std::int64_t operation = 0;  ///< phases entered in this step; ranks count alike
    friend bool operator==(const Place&, const Place&) = default;
  };

  /// Starts to count the operations of `step`, in [0, 2^28), from 0.
  void begin_step(Step step);

  /// Enters `phase` in `layer`, below 2^11, and returns where the rank was. The count of operations
  /// starts again after 2^20.
  Place enter(Phase phase, int layer);
  [[nodiscard]] Place place() const;

  /// Host seconds spent in a phase since the last reset.
  [[nodiscard]] double seconds(Phase phase) const {
    return seconds_[static_cast<std::size_t>(phase)];
  }
  void reset_seconds();

 private:
  std::atomic<std::uint64_t> word_{0};
  std::array<double, kNumPhases> seconds_{};
  Clock::time_point since_ = Clock::now();
};

/// In a phase for the life of the object, then back in the one before.
class PhaseScope {
 public:
  PhaseScope(Progress& progress, Phase phase, int layer = 0)
      : progress_(progress), before_(progress.enter(phase, layer)) {}
  ~PhaseScope() { progress_.enter(before_.phase, before_.layer); }
  PhaseScope(const PhaseScope&) = delete;
  PhaseScope& operator=(const PhaseScope&) = delete;

 private:
  Progress& progress_;
  Progress::Place before_;
};

}  // namespace softmoe
