#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "budget/controller.h"
#include "coordinator/messages.h"
#include "coordinator/set_point_owner.h"

namespace softmoe::coordinator {

/// Something the audit found; it becomes an alarm.
struct Finding {
  AlarmKind kind = AlarmKind::disagreement;
  Step step;
  std::string text;
};

/// Decides every word again by the same pure function, one record behind.
///
/// The word of step s + 1 is decided by rank 0 from the state before s, the record of s and the
/// set-points in force at s + 1. All three are known here when the record of s + 1 arrives with its
/// word: so that word, and the state that rank 0 held before s + 1, must come out bit for bit.
/// Requests are no business of the controller and are ignored. Further the revision of a word must
/// have been issued, not take effect before its step, and not go back; one that comes later than
/// planned is a finding of its own, since that is only the line's slowness.
///
/// The first word of a process that goes on from a checkpoint must follow from the state it held;
/// a state that no record here led to is told as unaudited: the process that saved it may never
/// have been heard.
///
/// After a disagreement the audit goes on from what rank 0 holds: one wrong word is one finding.
class Auditor {
 public:
  /// @param owner outlives this object.
  explicit Auditor(const SetPointOwner& owner) : owner_(owner) {}

  /// Goes on after the journal: the records up to `last_record` are known, and `state` is what
  /// rank 0 holds after them.
  void resume(Step last_record, const budget::ControllerState& state, std::int64_t revision);
  /// A new process of rank 0 whose first record will be of `next_step`: perhaps a step back, to a
  /// checkpoint. What rank 0 held there is remembered for the last kRemembered records.
  void restart(Step next_step);
  /// Nothing is known of the records before `next_step`: the audit begins there.
  void begin_at(Step next_step) { last_record_ = Step(next_step.value - 1); }

  /// Audits the word that a record ran under.
  /// @param audited has no fault and is of a step after the last record's.
  [[nodiscard]] std::vector<Finding> observe(const AuditedRecord& audited);

  static constexpr std::size_t kRemembered = 1024;

  [[nodiscard]] Step last_record() const { return last_record_; }
  [[nodiscard]] const AuditStatus& status() const { return status_; }
  void set_status(const AuditStatus& status) { status_ = status; }

 private:
  struct Held {
    Step before;  ///< the step that the state was held before
    budget::ControllerState state;
  };

  /// The states that rank 0 may hold before the step; empty if that is not known.
  [[nodiscard]] std::vector<budget::ControllerState> states_before(
      const budget::StepRecord& record, const budget::SetPoints& set_points) const;
  [[nodiscard]] std::optional<std::string> fault_of(const AuditedRecord& audited);
  [[nodiscard]] std::optional<std::string> fault_of_revision(const budget::ControlWord& word) const;
  [[nodiscard]] std::optional<Finding> find_late_change(const budget::ControlWord& word);

  const SetPointOwner& owner_;
  AuditStatus status_;
  Step last_record_{-1};
  std::optional<AuditedRecord> last_;  ///< of last_record_, unless that is from before a restart
  std::optional<Held> held_;           ///< known without last_
  std::deque<Held> remembered_;        ///< ascending
  std::int64_t last_revision_ = -1;
  std::int64_t late_revision_ = -1;  ///< the newest that was reported as late
  bool is_unknown_start_ = false;    ///< of the record in hand: its state is from elsewhere
  bool is_restarted_ = false;        ///< no record since
};

}  // namespace softmoe::coordinator
