#pragma once

// The coordinator itself, without a network: owner of the set-points, auditor of the records,
// keeper of the list of ranks. Letters: W ranks of the world, L layers with experts.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "budget/budget_limits.h"
#include "budget/set_points.h"
#include "budget/step_record.h"
#include "coordinator/coordinator_config.h"
#include "coordinator/messages.h"

namespace softmoe::coordinator {

class Journal;

/// Time as the coordinator measures it; given with every call, so that tests own it.
using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;

/// What is known about the run before a rank has registered.
struct RunPlan {
  RunIdentity identity;
  budget::RecordShape shape;
  budget::ExecutionRange range;  ///< which budgets the model can meet
  /// Why the run's router cannot split a budget into quotas, in words; nothing if it can.
  std::optional<std::string> quota_fault = {};
  /// The set-points of the run's configuration: the initial ones at step 0, then its schedule,
  /// ascending in step and revision. At least one.
  std::vector<budget::SetPointChange> changes;
};

/// One run's coordinator. Any thread may call; calls wait for one another, and hold nobody up for
/// longer than one write of the journal.
///
/// A call that is refused throws Refused and changes nothing. What is promised in a reply is in the
/// journal, and synced, before the call returns. When the journal cannot be written, changes and
/// requests of people are refused, ranks go on, and the alarm `journal` says why.
///
/// Terms. A coordinator takes the term after the highest of its journal's when it is made, and goes
/// past that of a rank that has seen a higher one (a journal that was lost). A call under another
/// term is refused (Reason::term), and its caller registers again.
class Coordinator {
 public:
  using Log = std::function<void(const std::string& line)>;

  struct Parts {
    const CoordinatorConfig& config;
    RunPlan plan;
    /// Outlives the coordinator. Null: nothing is kept, which suits a coordinator that lives and
    /// dies with the run.
    Journal* journal = nullptr;
    Log log;  ///< one line for people; called from any thread, may be empty
  };

  /// Reads the journal and takes the next term.
  /// @throws StorageError if the journal is damaged other than at its end, or of another run;
  ///         InvalidArgument if the plan has a fault
  Coordinator(Parts parts, TimePoint now);
  ~Coordinator();
  Coordinator(const Coordinator&) = delete;
  Coordinator& operator=(const Coordinator&) = delete;

  // Ranks.

  /// Refused: run, version, configuration (both values in the message), rank, second_owner (the
  /// owner's heartbeats have not stopped), set_points (a governor's report without sense).
  [[nodiscard]] Admission register_rank(const Registration& registration, TimePoint now);
  /// Refused: run, term, rank, second_owner, step (a place before the last one).
  [[nodiscard]] HeartbeatReply heartbeat(const Heartbeat& heartbeat, TimePoint now);
  /// Refused: run, term, rank (any but 0), second_owner, step, record, set_points (it holds a
  /// revision that was never issued, or a request of a number that cannot be).
  [[nodiscard]] RecordReply report(const RecordReport& report, TimePoint now);
  /// Refused: run, term, rank, second_owner.
  void farewell(const Farewell& farewell, TimePoint now);

  // People.

  [[nodiscard]] Status status(TimePoint now) const;
  /// Takes effect at the step asked for, or two steps after the last record's, whichever is later.
  /// It replaces the changes planned for that step and later.
  /// Refused: set_points, with the range that works; step (asked for one that has passed).
  [[nodiscard]] ChangeReply change(const ChangeOrder& order, TimePoint now);
  /// Goes into the next word that rank 0 decides after it has heard of it. Of equal requests that
  /// rank 0 has not heard of yet there is one.
  [[nodiscard]] NumberedRequest request(budget::Request request, TimePoint now);

  // Its server.

  /// Looks for ranks that are silent or stuck. To be called a few times a second: time in which
  /// nobody called anything here for half of silence_seconds was this process's own standstill, and
  /// is held against no rank.
  void look(TimePoint now);
  /// Counts a refusal and writes its line, unless there were too many of late.
  void note_refusal(Reason reason, const std::string& message, TimePoint now);
  [[nodiscard]] std::int64_t term() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace softmoe::coordinator
