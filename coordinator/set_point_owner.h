#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "budget/set_point_timeline.h"
#include "coordinator/coordinator.h"

namespace softmoe::coordinator {

/// Steps from the last record to the earliest step that a change can be planned for: rank 0 is in
/// the first of them, and a change is planned at least two steps ahead of it.
inline constexpr std::int64_t kStepsAhead = 3;

/// Issues changes of set-points and remembers every one ever issued. Revisions rise for the life of
/// a run.
class SetPointOwner {
 public:
  /// @param plan outlives this object and has no fault.
  explicit SetPointOwner(const RunPlan& plan);

  /// What the order would become; nothing is issued by it.
  /// @param last_record the newest known; -1 before the first.
  /// @throws Refused set_points, step.
  [[nodiscard]] ChangeReply draft(const ChangeOrder& order, Step last_record,
                                  std::int64_t term) const;
  /// Takes in a draft, which replaces what is planned for its step and later, or a change from the
  /// journal.
  void issue(const budget::SetPointChange& change);
  /// All before this is from the journal: rank 0 may know it.
  void end_recovery() { recovered_revision_ = newest_revision(); }

  /// What has to happen before the set-points of a governor are ours too.
  struct Adoption {
    std::vector<budget::SetPointChange> taken;     ///< changes of rank 0 that we lack
    std::vector<budget::SetPointChange> reissued;  ///< ours under new revisions, above rank 0's
    std::vector<std::int64_t> overruled;           ///< the old revisions of those
  };
  /// Compares with what rank 0 holds. What it holds and we do not, or hold otherwise, came from a
  /// coordinator whose journal is lost: rank 0's stands. Changes made here meanwhile, of which it
  /// cannot have heard, follow under new revisions.
  /// @throws Refused set_points if a revision of the run's own plan differs.
  [[nodiscard]] Adoption compare_with(const std::vector<budget::SetPointChange>& held,
                                      Step last_record, std::int64_t term) const;

  [[nodiscard]] const budget::SetPointTimeline& timeline() const { return timeline_; }
  /// A change by its revision, replaced or not; null if it was never issued.
  [[nodiscard]] const budget::SetPointChange* find(std::int64_t revision) const;
  /// All ever issued from `revision` on, ascending; valid until the next issue().
  [[nodiscard]] std::vector<const budget::SetPoints*> issued_from(std::int64_t revision) const;
  [[nodiscard]] std::int64_t newest_revision() const { return issued_.rbegin()->first; }
  /// Changes in force or planned with a revision above `revision`, ascending.
  [[nodiscard]] std::vector<budget::SetPointChange> newer_than(std::int64_t revision) const;
  /// Changes that begin after `step`; the initial set-points are none.
  [[nodiscard]] std::vector<budget::SetPointChange> planned_after(Step step) const;

 private:
  [[nodiscard]] std::vector<std::int64_t> overruled_by(
      const std::vector<budget::SetPointChange>& held, const Adoption& adoption) const;

  const RunPlan& plan_;
  std::int64_t recovered_revision_ = 0;
  std::map<std::int64_t, budget::SetPointChange> issued_;
  budget::SetPointTimeline timeline_;
};

}  // namespace softmoe::coordinator
