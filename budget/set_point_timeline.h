#pragma once

#include <optional>
#include <string>
#include <vector>

#include "budget/set_points.h"
#include "runtime/base/strong.h"

namespace softmoe::budget {

/// Which set-points hold at which step: what a run started with and every change since. Rank 0 asks
/// it for the step it decides; the coordinator's audit and a replay ask the same one.
class SetPointTimeline {
 public:
  /// @throws InvalidArgument if the set-points have a fault.
  explicit SetPointTimeline(SetPoints initial);

  /// The set-points in force at `step`, valid until the next `add`.
  [[nodiscard]] const SetPoints& at(Step step) const;

  /// Takes a change in. One that arrives when its step is already decided waits for the first that
  /// is not, so that no word ever changes after the fact; the step at which it really takes effect
  /// is returned, and every word carries the revision it was derived from.
  ///
  /// A change replaces those planned for the same step or later: the newest revision has the last
  /// word. A revision already held is ignored, so that a link may deliver twice.
  ///
  /// @param first_undecided the first step whose word is not decided yet.
  /// @return when the change takes effect, or nothing for a revision already held.
  /// @throws InvalidArgument if the set-points have a fault; the timeline is as before.
  std::optional<Step> add(const SetPointChange& change, Step first_undecided);

  /// Every change held, the initial set-points first, ascending in step and revision.
  [[nodiscard]] const std::vector<SetPointChange>& changes() const { return changes_; }

 private:
  std::vector<SetPointChange> changes_;
};

}  // namespace softmoe::budget
