#pragma once

// A run as a coordinator sees it: ranks that register, send heartbeats and leave, and a rank 0
// whose governor is the trainer's own, over a small plant. Letters: L layers.

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "coordinator/coordinator.h"
#include "training/governor.h"

namespace softmoe::coordinator {

/// Two layers of 8 experts, a budget of 4, a floor of 1, no schedule.
[[nodiscard]] RunPlan plan_of(int world);
/// A set of moments, in seconds after an arbitrary one.
[[nodiscard]] TimePoint at(double seconds);
/// What a coordinator is made with; heartbeats every second, silence after 5, a stall after 30.
[[nodiscard]] CoordinatorConfig config_of_tests();

[[nodiscard]] Registration registration_of(const RunPlan& plan, int rank,
                                           std::uint64_t incarnation);
/// Registers ranks 1 to W - 1 as incarnations 1001, 1002, ...
void register_others(Coordinator& coordinator, const RunPlan& plan, TimePoint now);

/// The reason of the refusal of a call; nothing if it was not refused.
[[nodiscard]] std::optional<Reason> refusal_of(const auto& call) {
  try {
    call();
  } catch (const Refused& refused) {
    return refused.reason();
  }
  return std::nullopt;
}

/// What a process can go on from.
struct Checkpoint {
  Step next_step;
  budget::ControllerState state;
  std::vector<budget::SetPointChange> changes;
};

/// Rank 0 with its line, both honest.
class HonestRun {
 public:
  HonestRun(RunPlan plan, std::uint64_t incarnation);
  HonestRun(RunPlan plan, std::uint64_t incarnation, const Checkpoint& checkpoint);
  ~HonestRun();

  /// One step of training.
  void step();
  void steps(int num_steps);
  [[nodiscard]] Checkpoint save() const;

  [[nodiscard]] Registration registration() const;
  void register_at(Coordinator& coordinator, TimePoint now);
  /// What the next report says.
  [[nodiscard]] RecordReport report() const;
  /// Sends a report and takes the reply in; registers first where that is asked for.
  void talk(Coordinator& coordinator, TimePoint now);
  /// Loses the records that were not sent.
  void drop_records();

  [[nodiscard]] Step next_step() const { return next_step_; }
  [[nodiscard]] const budget::ControlWord& last_word() const { return word_; }
  [[nodiscard]] const std::vector<budget::SetPointChange>& changes() const;
  /// Requests that steps were run under, in order.
  [[nodiscard]] const std::vector<NumberedRequest>& obeyed() const;

 private:
  class Line;

  void send_report(Coordinator& coordinator, TimePoint now);

  RunPlan plan_;
  std::uint64_t incarnation_;
  std::unique_ptr<Line> line_;
  training::Governor governor_;
  Step next_step_;
  budget::ControlWord word_;
};

/// What a step under the word does: 256 tokens; rows fall with lambda, with noise that depends on
/// the step alone.
[[nodiscard]] budget::StepRecord small_plant(const budget::ControlWord& word);

}  // namespace softmoe::coordinator
