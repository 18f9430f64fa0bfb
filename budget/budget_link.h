#pragma once

#include <cstdint>
#include <vector>

#include "budget/controller.h"
#include "budget/set_point_timeline.h"
#include "budget/set_points.h"
#include "budget/step_record.h"

namespace softmoe::budget {

/// What the owner of the set-points wants since the last poll.
struct LinkNews {
  std::vector<SetPointChange> changes = {};  ///< ascending in revision
  std::uint32_t requests = 0;  ///< bits of Request, to go into the next undecided word
};

/// What rank 0 hands over after a step. Valid during the call.
struct StepReport {
  const StepRecord& record;
  const ControllerState& before;     ///< what the controller held before the record
  const SetPointTimeline& timeline;  ///< set-points held by now, in force or waiting
};

/// Rank 0's line to whoever owns the set-points and audits the records. Other ranks have none.
///
/// Rank 0 always decides its own words, from its own records and the set-points it already holds.
/// The line can therefore be slow, cut or missing, and no step is different by a bit: an audit
/// comes late, and a change waits until it arrives (SetPointTimeline::add). An implementation
///  - never blocks: `submit` hands over or lets go, `poll` returns what is there;
///  - never throws for a failure of the line; it counts it in its own telemetry;
///  - delivers a change at least once, in ascending revision, and a request exactly once.
/// Both are called from one thread, that of the step loop.
class BudgetLink {
 public:
  virtual ~BudgetLink() = default;

  /// Hands over what a finished step did; the implementation copies what it keeps.
  virtual void submit(const StepReport& report) = 0;

  /// What arrived since the last call; empty most of the time.
  [[nodiscard]] virtual LinkNews poll() = 0;
};

}  // namespace softmoe::budget
