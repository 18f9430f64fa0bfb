#pragma once

// What ranks, people and the coordinator say to each other. coordinator.proto gives these the bytes
// they travel as, and wire.h converts.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "budget/controller.h"
#include "budget/set_points.h"
#include "budget/step_record.h"
#include "coordinator/refusal.h"
#include "runtime/base/progress.h"
#include "runtime/base/strong.h"

namespace softmoe::coordinator {

/// What ranks and coordinator must agree on before anything else.
struct RunIdentity {
  std::string run_id;
  std::string version;      ///< of the program
  std::string config_hash;  ///< of the sections that define the training
  int world = 0;            ///< W

  friend bool operator==(const RunIdentity&, const RunIdentity&) = default;
};

/// One process as the owner of a rank. A rank that was restarted has another incarnation.
struct RankProcess {
  Rank rank;
  std::uint64_t incarnation = 0;  ///< drawn at random when the process starts; never 0

  friend bool operator==(const RankProcess&, const RankProcess&) = default;
};

/// An order of ranks that must arrive once: a checkpoint, a drain, a stop.
struct NumberedRequest {
  std::int64_t number = 0;  ///< from 1, rising over the life of a run
  budget::Request request = budget::Request::save;

  friend bool operator==(const NumberedRequest&, const NumberedRequest&) = default;
};

/// What rank 0 holds when it registers; with it a coordinator without a journal starts again.
struct GovernorReport {
  /// The first step whose record has certainly not arrived: made and still kept, or not made yet.
  Step next_step;
  std::vector<budget::SetPointChange> changes;  ///< in force or waiting, ascending in revision
};

struct Registration {
  RunIdentity run;
  RankProcess process;
  std::string host;  ///< for people
  std::int64_t process_id = 0;
  std::int64_t seen_term = 0;              ///< highest that this process has obeyed; 0: none
  std::optional<GovernorReport> governor;  ///< from rank 0, and from no other
  std::string metrics_address = {};        ///< host:port of its metrics; empty: it has none
};

struct Admission {
  std::int64_t term = 0;
  /// Of rank 0: the records after this step are wanted, as far as they are still there. Before the
  /// first record it is GovernorReport::next_step - 1.
  Step last_record;
  double heartbeat_seconds = 1.0;  ///< how often to send one
};

struct Heartbeat {
  std::string run_id;
  RankProcess process;
  std::int64_t term = 0;
  Progress::Place place;
};

struct HeartbeatReply {
  std::int64_t term = 0;
  std::string verdict;  ///< what holds the run up, in words; empty while nothing does
};

/// One record with what the controller of rank 0 held before it, so that an audit can begin at any
/// record.
struct AuditedRecord {
  budget::StepRecord record;
  budget::ControllerState before;
};

/// From rank 0, after steps or when none has ended for a while.
struct RecordReport {
  std::string run_id;
  RankProcess process;
  std::int64_t term = 0;
  std::vector<AuditedRecord> records;  ///< ascending, without gaps; may be empty
  std::int64_t held_revision = 0;      ///< the newest change that rank 0 holds
  std::int64_t held_request = 0;       ///< the last numbered request that it has taken over
};

struct RecordReply {
  std::int64_t term = 0;
  Step durable;  ///< records up to this one need not be sent again after a restart; -1: none
  std::vector<budget::SetPointChange> changes;  ///< newer than held_revision
  std::vector<NumberedRequest> requests;        ///< newer than held_request
};

/// How a rank leaves.
enum class Departure : std::uint32_t { done = 0, drained = 1, failed = 2 };

struct Farewell {
  std::string run_id;
  RankProcess process;
  std::int64_t term = 0;
  Departure departure = Departure::done;
  std::string reason;  ///< for people
};

/// A change of set-points; what is not given stays as the newest change has it.
struct ChangeOrder {
  std::optional<Step> effective_from;  ///< not given: as soon as it can be
  std::optional<double> budget;
  std::optional<budget::Mode> mode;
  std::optional<std::vector<double>> layer_cost_L;
  std::optional<std::vector<double>> layer_min_L;
  std::optional<std::vector<double>> layer_max_L;
  std::optional<budget::Temperature> temperature;
};

struct ChangeReply {
  budget::SetPointChange change;       ///< as it will be sent; its step may be later than asked
  std::vector<std::int64_t> replaced;  ///< revisions of planned changes that it replaces
  std::optional<budget::SetPoints> before;  ///< what would have been in force at that step
};

enum class AlarmKind : std::uint32_t {
  disagreement = 0,   ///< a word that the audit does not decide
  budget_missed = 1,  ///< the executed compute is off the budget for too long
  layer_bounds = 2,   ///< a layer outside its bounds
  late_change = 3,    ///< a change took effect later than planned
  unaudited = 4,      ///< records are missing; the audit began again behind them
  hang = 5,           ///< a verdict
  journal = 6,        ///< the journal could not be written
};
inline constexpr int kNumAlarmKinds = 7;

[[nodiscard]] constexpr std::string_view name_of(AlarmKind kind) {
  constexpr std::array<std::string_view, kNumAlarmKinds> names = {
      "disagreement", "budget_missed", "layer_bounds", "late_change",
      "unaudited",    "hang",          "journal"};
  return names[static_cast<std::size_t>(kind)];
}

struct Alarm {
  AlarmKind kind = AlarmKind::disagreement;
  std::int64_t unix_seconds = 0;
  Step step;
  std::string text;
};

enum class MemberState : std::uint32_t {
  absent = 0,  ///< never registered
  alive = 1,
  silent = 2,  ///< its heartbeats stopped
  left = 3,    ///< said farewell
};

[[nodiscard]] constexpr std::string_view name_of(MemberState state) {
  constexpr std::array<std::string_view, 4> names = {"absent", "alive", "silent", "left"};
  return names[static_cast<std::size_t>(state)];
}

struct MemberStatus {
  Rank rank;
  MemberState state = MemberState::absent;
  std::string host;
  std::int64_t process_id = 0;
  std::int64_t incarnations = 0;  ///< processes that have owned the rank
  Progress::Place place;          ///< as of its last heartbeat
  double seconds_since_heartbeat = 0;
  std::string metrics_address;  ///< of its last registration; empty: it has none
};

/// The budget as the records show it. Empty vectors before the first record.
struct BudgetStatus {
  budget::SetPoints in_force;  ///< at the last record's step; at first the initial ones
  std::vector<budget::SetPointChange> planned;  ///< not in force yet
  std::optional<budget::ControlWord> last_word;
  double used = 0.0;                ///< executions per token in the last step, by cost
  double window_error_ratio = 0.0;  ///< mean of (C - B) / B over the window
  double window_rms_ratio = 0.0;
  int window_steps = 0;            ///< steps in the window by now
  std::vector<double> executed_L;  ///< per token, last step
  std::vector<double> soft_mass_L;
  std::vector<double> boundary_mass_L;
};

struct AuditStatus {
  std::int64_t agreed = 0;  ///< words that the audit decided alike
  std::int64_t disagreed = 0;
  std::int64_t unaudited = 0;  ///< words that could not be audited, a record being gone
};

struct Status {
  RunIdentity run;
  std::int64_t term = 0;
  std::int64_t started_unix_seconds = 0;
  Step last_record{-1};
  double step_seconds = 0.0;          ///< median time between records
  std::vector<MemberStatus> members;  ///< [W], by rank
  BudgetStatus budget;
  AuditStatus audit;
  std::vector<NumberedRequest> pending_requests;
  std::string verdict;
  std::vector<Alarm> alarms;  ///< the last ones, oldest first
  std::array<std::int64_t, kNumAlarmKinds> alarm_counts{};
  std::array<std::int64_t, kNumReasons> refusals{};
};

}  // namespace softmoe::coordinator
