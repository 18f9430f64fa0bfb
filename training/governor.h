#pragma once

// Rank 0 decides the words of the steps; all ranks run under the same one.

#include <cstdint>
#include <optional>
#include <span>

#include "budget/budget_link.h"
#include "budget/controller.h"
#include "budget/set_point_timeline.h"

namespace softmoe::training {

/// Decides the control word of every step from set-points and records. Lives on rank 0.
class Governor {
 public:
  /// @param link outlives this object
  Governor(budget::SetPoints set_points, budget::BudgetLink& link);
  /// A run that goes on where a saved one stopped.
  Governor(budget::SetPoints set_points, const budget::ControllerState& state,
           budget::BudgetLink& link);
  /// A run whose set-points change as planned; the link can still change them.
  /// @param planned those of step 0 first, then rising in step and revision
  /// @throws InvalidArgument if there are none, or some have a fault
  Governor(std::span<const budget::SetPointChange> planned, budget::BudgetLink& link);
  Governor(std::span<const budget::SetPointChange> planned, const budget::ControllerState& state,
           budget::BudgetLink& link);

  /// The word of `step`, with what was asked for since the last one.
  /// @param requests bits of budget::Request from inside this process, a signal for instance
  [[nodiscard]] budget::ControlWord word_for(Step step, std::uint32_t requests);
  /// Takes in what the step did; it decides the next word.
  /// @return why the record was not used, if it was not
  std::optional<std::string> observe(const budget::StepRecord& record);

  [[nodiscard]] const budget::ControllerState& state() const { return state_; }
  /// The set-points that the word of `step` follows, valid until the next word is asked for.
  [[nodiscard]] const budget::SetPoints& set_points_at(Step step) const {
    return timeline_.at(step);
  }

 private:
  budget::SetPointTimeline timeline_;
  budget::BudgetLink* link_;
  budget::ControllerState state_;
  std::optional<budget::ControlWord> decided_;
};

}  // namespace softmoe::training
