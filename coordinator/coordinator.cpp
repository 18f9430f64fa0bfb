#include "coordinator/coordinator.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "coordinator/coordinator_state.h"
#include "coordinator/run_plan_check.h"
#include "runtime/base/errors.h"

namespace softmoe::coordinator {
namespace {

constexpr double kStallInSteps = 10.0;

RunPlan usable(RunPlan plan) {
  if (const auto fault = find_fault(plan)) {
    throw InvalidArgument(fmt::format("the plan of run '{}': {}", plan.identity.run_id, *fault));
  }
  return plan;
}

std::int64_t unix_seconds_now() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

Coordinator::State::State(Parts parts, TimePoint now)
    : config(parts.config),
      plan(usable(std::move(parts.plan))),
      journal(parts.journal),
      log(std::move(parts.log)),
      started_unix_seconds(unix_seconds_now()),
      members(plan.identity.world, config.silence_seconds),
      set_points(plan),
      auditor(set_points),
      watch(config),
      records_since_digest(config.digest_every),
      called(now) {
  recover(now);
}

/// Puts what a journal holds back into a state.
struct Coordinator::State::Recovery {
  State& state;

  void operator()(const HeaderEntry&) const {
    throw StorageError(StorageError::Kind::bad_format,
                       "the journal has a second header; move it away to go on without it");
  }
  void operator()(const TermEntry& entry) { state.term = std::max(state.term, entry.term); }
  void operator()(const ChangeEntry& entry) {
    if (const auto fault = find_fault(entry.change.set_points, state.plan)) {
      throw StorageError(StorageError::Kind::bad_format,
                         fmt::format("revision {} of the journal cannot be held by this program: "
                                     "{}; move the journal away to go on without it",
                                     entry.change.set_points.revision, *fault));
    }
    state.set_points.issue(entry.change);
  }
  void operator()(const RequestEntry& entry) { state.requests.add(entry.request); }
  void operator()(const ToldEntry& entry) {
    state.requests.note_told(entry.number, entry.incarnation);
  }
  void operator()(const OverEntry& entry) { state.requests.note_over(entry.number); }
  void operator()(const DigestEntry& entry) {
    state.auditor.resume(entry.last_record, entry.state, entry.revision);
    state.auditor.set_status(entry.audit);
    state.events.restore(entry.alarm_counts);
    state.has_history = true;
    state.durable = entry.last_record;
  }
  void operator()(const AlarmEntry& entry) { state.events.restore(entry.alarm); }
};

void Coordinator::State::recover(TimePoint now) {
  if (journal != nullptr) {
    const std::vector<JournalEntry> entries = journal->recover(plan.identity);
    Recovery recovery{*this};
    for (const JournalEntry& entry : entries) std::visit(recovery, entry);
    set_points.end_recovery();
    if (journal->torn_bytes() > 0) {
      say(fmt::format("cut {} bytes of an entry that was never finished off the journal '{}'",
                      journal->torn_bytes(), journal->path().string()));
    }
  }
  ++term;
  write(TermEntry{term}, now);
  say(fmt::format("coordinator of run '{}', term {}, revision {}{}", plan.identity.run_id, term,
                  set_points.newest_revision(),
                  has_history ? fmt::format(", audited up to step {}", durable.value) : ""));
}

void Coordinator::State::say(const std::string& line) const {
  if (log) log(line);
}

bool Coordinator::State::write(const JournalEntry& entry, TimePoint now) {
  if (journal == nullptr) return true;
  try {
    journal->append(entry);
    return true;
  } catch (const StorageError& error) {
    raise(AlarmKind::journal, auditor.last_record(), error.what(), now);
    return false;
  }
}

void Coordinator::State::write_or_refuse(const JournalEntry& entry, const std::string& what,
                                         TimePoint now) {
  if (write(entry, now)) return;
  throw Refused(Reason::journal,
                fmt::format("{} was not taken: the journal '{}' cannot be written, and what is not "
                            "in it could be forgotten; make room there and try again",
                            what, journal->path().string()));
}

void Coordinator::State::raise(AlarmKind kind, Step step, const std::string& text, TimePoint now) {
  const Alarm alarm{kind, unix_seconds_now(), step, one_line(text)};
  const std::optional<std::string> line = events.note(alarm, now);
  if (!line) return;
  say(*line);
  if (kind != AlarmKind::journal) write(AlarmEntry{alarm}, now);
}

void Coordinator::State::wake(TimePoint now) {
  const Clock::duration away = now - called;
  called = std::max(called, now);
  if (2.0 * std::chrono::duration<double>(away).count() > config.silence_seconds) {
    members.forgive(away, now);
  }
}

Patience Coordinator::State::patience() const {
  return {.silence_seconds = config.silence_seconds,
          .stall_seconds =
              std::max(config.stall_seconds, kStallInSteps * memory.median_step_seconds())};
}

void Coordinator::State::look(TimePoint now) {
  Verdict next = judge(members.view(now), patience());
  const bool is_news = next.kind != verdict.kind || next.ranks != verdict.ranks;
  verdict = std::move(next);
  if (!is_news) return;
  if (verdict.kind == VerdictKind::none) {
    say("nothing holds the run up any more");
  } else {
    raise(AlarmKind::hang, auditor.last_record(), verdict.text, now);
  }
}

Coordinator::Coordinator(Parts parts, TimePoint now)
    : state_(std::make_unique<State>(std::move(parts), now)) {}

Coordinator::~Coordinator() = default;

Admission Coordinator::register_rank(const Registration& registration, TimePoint now) {
  const std::lock_guard lock(state_->mutex);
  state_->wake(now);
  return state_->register_rank(registration, now);
}

HeartbeatReply Coordinator::heartbeat(const Heartbeat& heartbeat, TimePoint now) {
  const std::lock_guard lock(state_->mutex);
  state_->wake(now);
  state_->require_current(heartbeat.run_id, heartbeat.term);
  state_->members.take_heartbeat(heartbeat, now);
  return {.term = state_->term, .verdict = state_->verdict.text};
}

RecordReply Coordinator::report(const RecordReport& report, TimePoint now) {
  const std::lock_guard lock(state_->mutex);
  state_->wake(now);
  return state_->report(report, now);
}

void Coordinator::farewell(const Farewell& farewell, TimePoint now) {
  const std::lock_guard lock(state_->mutex);
  state_->wake(now);
  state_->farewell(farewell, now);
}

Status Coordinator::status(TimePoint now) const {
  const std::lock_guard lock(state_->mutex);
  return state_->status(now);
}

ChangeReply Coordinator::change(const ChangeOrder& order, TimePoint now) {
  const std::lock_guard lock(state_->mutex);
  state_->wake(now);
  return state_->change(order, now);
}

NumberedRequest Coordinator::request(budget::Request request, TimePoint now) {
  const std::lock_guard lock(state_->mutex);
  state_->wake(now);
  return state_->request(request, now);
}

void Coordinator::look(TimePoint now) {
  const std::lock_guard lock(state_->mutex);
  state_->wake(now);
  state_->look(now);
}

void Coordinator::note_refusal(Reason reason, const std::string& message, TimePoint now) {
  const std::lock_guard lock(state_->mutex);
  if (const auto line = state_->events.note(reason, message, now)) state_->say(*line);
}

std::int64_t Coordinator::term() const {
  const std::lock_guard lock(state_->mutex);
  return state_->term;
}

}  // namespace softmoe::coordinator
