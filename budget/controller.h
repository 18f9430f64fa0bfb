#pragma once

// The budget controller as a pure function: the same state, record and set-points give the same
// word bit for bit, on rank 0, in the coordinator's audit and in a replay of the log.
//
// After Newton's method on the realised compute: lambda is a shift of the truncation surface in
// units of alpha, the boundary density is the derivative of the compute by it (step_record.h), and
// the debt makes the mean over a run exact, where a Newton step alone leaves what the drift of the
// router cost. servo_gains.h derives the gains.

#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>

#include "budget/control_word.h"
#include "budget/set_points.h"
#include "budget/step_record.h"
#include "runtime/base/strong.h"

namespace softmoe::budget {

/// All that the controller remembers; saved in checkpoints together with the words that are decided
/// and not yet in force (none beyond the next step's at a delay of one).
struct ControllerState {
  double lambda = 0.0;  ///< decided last
  double alpha = 1.0;   ///< decided last
  double debt = 0.0;    ///< D: budget overdrawn since the servo took over, in executions per token
  double gain = 0.0;    ///< estimate of the loop gain; 0: no record seen
  Step last_record{-1};

  friend bool operator==(const ControllerState&, const ControllerState&) = default;
};
static_assert(std::is_trivially_copyable_v<ControllerState> && sizeof(ControllerState) == 40);

/// What a record led to.
struct Decision {
  ControllerState state;
  ControlWord word;                    ///< for step record.step() + gains.delay; no requests set
  std::optional<std::string> refused;  ///< why the record was not used; then the state is as before
};

/// The state of a run that has seen no record.
/// @throws InvalidArgument if the set-points have a fault.
[[nodiscard]] ControllerState initial_state(const SetPoints& set_points);

/// The word for a step without a new record: the first steps of a run, or a step after one whose
/// record does not exist. It repeats lambda; the temperature keeps to its schedule.
[[nodiscard]] ControlWord word_for(Step step, const ControllerState& state,
                                   const SetPoints& set_points);

/// Decides the word for step `record.step() + set_points.gains.delay`.
///
/// Servo: lambda <- clamp(lambda + bounded(newton (e + repayment) / gain)), where
///  - e = C - B with the budget of the step to come, so that a new budget is met by one Newton
///  step;
///  - the debt sums C - B with the budget that was in force, and its repayment per step is bounded;
///  - the debt stops growing while lambda sits on a bound and both push outward (anti-windup): an
///    infeasible budget leaves no debt behind that would later be spent at once;
///  - the gain is the larger of the new measurement and the smoothed one, with a floor;
///  - a step that ran in another mode owes nothing.
/// Off and quota: lambda stays and the debt is forgotten; the estimate of the gain and the
/// temperature go on. Quota needs no controller: what a step runs is settled before it. A servo
/// that takes over from it starts from the lambda it left, owing nothing.
///
/// A record with a fault, of other layers than the costs or bounds, or not newer than the last one
/// is refused: the state stays, the word is that of `word_for`, and `refused` says why.
///
/// @param set_points in force at the step that the word is for.
/// @throws InvalidArgument if the set-points have a fault.
[[nodiscard]] Decision decide(const ControllerState& before, const StepRecord& record,
                              const SetPoints& set_points);

}  // namespace softmoe::budget
