#pragma once

// The inside of a Coordinator. Each function is called under its mutex.

#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "coordinator/auditor.h"
#include "coordinator/budget_watch.h"
#include "coordinator/coordinator.h"
#include "coordinator/event_log.h"
#include "coordinator/journal.h"
#include "coordinator/membership.h"
#include "coordinator/record_memory.h"
#include "coordinator/request_queue.h"
#include "coordinator/set_point_owner.h"
#include "coordinator/verdict.h"

namespace softmoe::coordinator {

struct Coordinator::State {
  State(Parts parts, TimePoint now);

  // coordinator.cpp: what the others are made of.

  void say(const std::string& line) const;
  /// Writes the entry down if there is a journal. A failure is an alarm.
  /// @return whether the entry is where it belongs
  bool write(const JournalEntry& entry, TimePoint now);
  /// The same for what a person asks for: without it, it is refused.
  void write_or_refuse(const JournalEntry& entry, const std::string& what, TimePoint now);
  void raise(AlarmKind kind, Step step, const std::string& text, TimePoint now);
  /// Notes that somebody called. Time in which nobody did counts for nobody: this process was
  /// stopped, and heard no heartbeat.
  void wake(TimePoint now);
  struct Recovery;
  void recover(TimePoint now);
  void look(TimePoint now);
  [[nodiscard]] Patience patience() const;

  // coordinator_ranks.cpp

  [[nodiscard]] Admission register_rank(const Registration& registration, TimePoint now);
  [[nodiscard]] RecordReply report(const RecordReport& report, TimePoint now);
  void farewell(const Farewell& farewell, TimePoint now);
  void require_current(const std::string& run_id, std::int64_t callers_term) const;

  void check_identity(const Registration& registration) const;
  [[nodiscard]] std::optional<SetPointOwner::Adoption> check_governor(
      const Registration& registration) const;
  void raise_term(const Registration& registration, TimePoint now);
  void adopt(const SetPointOwner::Adoption& adoption, TimePoint now);
  void begin_records(const GovernorReport& governor, const RankProcess& process, bool is_new,
                     TimePoint now);
  void check_records(const RecordReport& report) const;
  void check_held(const RecordReport& report) const;
  void take_record(const AuditedRecord& audited, TimePoint now);
  void drain_if_asked(AlarmKind kind, TimePoint now);
  void settle_requests(const RecordReport& report, TimePoint now);
  [[nodiscard]] std::vector<NumberedRequest> tell_requests(const RecordReport& report,
                                                           TimePoint now);

  // coordinator_people.cpp

  [[nodiscard]] Status status(TimePoint now) const;
  [[nodiscard]] BudgetStatus budget_status() const;
  [[nodiscard]] ChangeReply change(const ChangeOrder& order, TimePoint now);
  [[nodiscard]] NumberedRequest request(budget::Request request, TimePoint now);

  mutable std::mutex mutex;
  const CoordinatorConfig config;
  const RunPlan plan;
  Journal* const journal;
  const Log log;
  std::int64_t term = 0;
  const std::int64_t started_unix_seconds;

  Membership members;
  SetPointOwner set_points;
  Auditor auditor;
  BudgetWatch watch;
  RequestQueue requests;
  RecordMemory memory;
  EventLog events;

  bool has_history = false;  ///< records were seen, here or before a restart
  Step durable{-1};          ///< the last record that the journal covers
  int records_since_digest;  ///< full at first: what a run begins with is soon written down
  /// Records up to this step may follow a gap: rank 0 registered behind it.
  Step gap_until{-1};
  std::optional<budget::StepRecord> last_record;
  bool has_drained = false;
  Verdict verdict;
  TimePoint called;  ///< last
};

}  // namespace softmoe::coordinator
