// The calls of ranks. Everything is checked before anything changes.

#include <fmt/core.h>

#include <algorithm>

#include "coordinator/coordinator_state.h"
#include "coordinator/run_plan_check.h"

namespace softmoe::coordinator {
namespace {

constexpr std::int64_t kMaxNumber = std::int64_t{1} << 52;

[[noreturn]] void refuse_run(const std::string& theirs, const std::string& ours) {
  throw Refused(Reason::run, fmt::format("this is run '{}', and the caller is of run '{}'; check "
                                         "the address",
                                         ours, one_line(theirs)));
}

}  // namespace

void Coordinator::State::require_current(const std::string& run_id,
                                         std::int64_t callers_term) const {
  if (run_id != plan.identity.run_id) refuse_run(run_id, plan.identity.run_id);
  if (callers_term != term) {
    throw Refused(Reason::term,
                  fmt::format("this is term {}, and the call is of term {}; register again", term,
                              callers_term));
  }
}

void Coordinator::State::check_identity(const Registration& registration) const {
  const RunIdentity& ours = plan.identity;
  const RunIdentity& theirs = registration.run;
  if (theirs.run_id != ours.run_id) refuse_run(theirs.run_id, ours.run_id);
  if (theirs.version != ours.version) {
    throw Refused(
        Reason::version,
        fmt::format("the coordinator is version '{}', and rank {} is '{}'; start both "
                    "from one program",
                    ours.version, registration.process.rank.value, one_line(theirs.version)));
  }
  if (theirs.world != ours.world || theirs.config_hash != ours.config_hash) {
    throw Refused(Reason::configuration,
                  fmt::format("the coordinator has configuration {} for a world of {}, and rank {} "
                              "has {} for {}; start both from one configuration",
                              ours.config_hash, ours.world, registration.process.rank.value,
                              one_line(theirs.config_hash), theirs.world));
  }
  if (registration.seen_term < 0 || registration.seen_term > kMaxNumber) {
    throw Refused(Reason::term,
                  fmt::format("rank {} has seen a term of {}; terms are in [0, 2^52]",
                              registration.process.rank.value, registration.seen_term));
  }
}

std::optional<SetPointOwner::Adoption> Coordinator::State::check_governor(
    const Registration& registration) const {
  const bool is_governor = registration.process.rank == Rank{0};
  if (registration.governor.has_value() != is_governor) {
    throw Refused(Reason::set_points,
                  fmt::format("rank {} registers {} the set-points of a governor; rank 0 has one, "
                              "and no other",
                              registration.process.rank.value, is_governor ? "without" : "with"));
  }
  if (!is_governor) return std::nullopt;
  if (const auto fault = find_fault(*registration.governor, plan)) {
    throw Refused(Reason::set_points, fmt::format("rank 0 registers with {}", *fault));
  }
  return set_points.compare_with(registration.governor->changes, auditor.last_record(), term);
}

void Coordinator::State::raise_term(const Registration& registration, TimePoint now) {
  // A process that we never admitted has its term from another coordinator, also if it is ours.
  const bool is_stranger = !members.was_admitted(registration.process);
  const std::int64_t seen = registration.seen_term;
  if (seen < term || (seen == term && !is_stranger)) return;
  term = seen + 1;
  write(TermEntry{term}, now);
  say(fmt::format("rank {} has seen term {}: this is term {} now, and all ranks register again",
                  registration.process.rank.value, seen, term));
}

void Coordinator::State::adopt(const SetPointOwner::Adoption& adoption, TimePoint now) {
  for (const budget::SetPointChange& change : adoption.taken) {
    write(ChangeEntry{change}, now);
    set_points.issue(change);
    say(fmt::format("revision {} is taken over from rank 0: budget {} from step {}",
                    change.set_points.revision, change.set_points.budget,
                    change.effective_from.value));
  }
  for (std::size_t i = 0; i < adoption.reissued.size(); ++i) {
    const budget::SetPointChange& change = adoption.reissued[i];
    write(ChangeEntry{change}, now);
    set_points.issue(change);
    say(fmt::format("revision {} was not known to rank 0 and is revision {} now, from step {}",
                    adoption.overruled[i], change.set_points.revision,
                    change.effective_from.value));
  }
}

void Coordinator::State::begin_records(const GovernorReport& governor, const RankProcess& process,
                                       bool is_new, TimePoint now) {
  for (const NumberedRequest& lost : requests.lost_with_others(process.incarnation)) {
    write(OverEntry{lost.number}, now);
    requests.note_over(lost.number);
    say(fmt::format(
        "request {} was told to a process of rank 0 that is gone; if it did not happen, "
        "ask again",
        lost.number));
  }
  if (!has_history) {
    auditor.begin_at(governor.next_step);
  } else if (is_new) {
    auditor.restart(governor.next_step);
    watch.restart();
    memory.forget_from(governor.next_step);
  }
  has_history = true;
  gap_until = governor.next_step;
  durable = std::min(durable, auditor.last_record());
  memory.pause_clock();
}

Admission Coordinator::State::register_rank(const Registration& registration, TimePoint now) {
  check_identity(registration);
  members.check_admission(registration.process, now);
  const auto adoption = check_governor(registration);

  raise_term(registration, now);
  const bool is_new = !members.was_admitted(registration.process);
  members.admit(registration, now);
  if (adoption) {
    adopt(*adoption, now);
    begin_records(*registration.governor, registration.process, is_new, now);
  }
  if (is_new) {
    say(fmt::format("rank {} is pid {} on {}", registration.process.rank.value,
                    registration.process_id, one_line(registration.host)));
  }
  return {.term = term,
          .last_record = auditor.last_record(),
          .heartbeat_seconds = config.heartbeat_seconds};
}

void Coordinator::State::farewell(const Farewell& farewell, TimePoint now) {
  require_current(farewell.run_id, farewell.term);
  members.take_farewell(farewell, now);
  constexpr std::array<std::string_view, 3> kHow = {"is done", "drained and leaves", "failed"};
  const auto how = std::min<std::size_t>(static_cast<std::size_t>(farewell.departure), 2);
  say(fmt::format("rank {} {}{}{}", farewell.process.rank.value, kHow[how],
                  farewell.reason.empty() ? "" : ": ", one_line(farewell.reason)));
}

void Coordinator::State::check_records(const RecordReport& report) const {
  Step expected(auditor.last_record().value + 1);
  for (std::size_t i = 0; i < report.records.size(); ++i) {
    const AuditedRecord& audited = report.records[i];
    if (const auto fault = find_fault(audited, plan)) throw Refused(Reason::record, *fault);
    const Step step = audited.record.step();
    if (i > 0 && step.value != report.records[i - 1].record.step().value + 1) {
      throw Refused(Reason::step,
                    fmt::format("a record of step {} follows that of step {}; send them in order "
                                "and without gaps",
                                step.value, report.records[i - 1].record.step().value));
    }
    if (step < expected) {
      if (!memory.differs(audited)) continue;
      throw Refused(
          Reason::record,
          fmt::format("the record of step {} is known, and this is another one", step.value));
    }
    if (step > expected && step > gap_until) {
      throw Refused(Reason::step,
                    fmt::format("a record of step {}, and the last one was of step {}; register "
                                "again if those in between are gone",
                                step.value, expected.value - 1));
    }
    expected = Step(step.value + 1);
  }
}

void Coordinator::State::check_held(const RecordReport& report) const {
  if (report.held_revision < 0 || report.held_revision > set_points.newest_revision()) {
    throw Refused(Reason::set_points,
                  fmt::format("rank 0 holds revision {}, and the newest is {}; register again",
                              report.held_revision, set_points.newest_revision()));
  }
  if (report.held_request < 0 || report.held_request > kMaxNumber) {
    throw Refused(Reason::set_points, fmt::format("rank 0 has taken request {}; numbers are in "
                                                  "[0, 2^52]",
                                                  report.held_request));
  }
}

RecordReply Coordinator::State::report(const RecordReport& report, TimePoint now) {
  require_current(report.run_id, report.term);
  if (report.process.rank != Rank{0}) {
    throw Refused(Reason::rank, fmt::format("rank {} sends records; rank 0 alone does",
                                            report.process.rank.value));
  }
  members.require_owner(report.process);
  check_records(report);
  check_held(report);

  members.note_life(report.process, now);
  const auto is_new = [&](const AuditedRecord& audited) {
    return audited.record.step() > auditor.last_record();
  };
  if (const auto num_new = std::count_if(report.records.begin(), report.records.end(), is_new)) {
    memory.note_arrival(static_cast<std::size_t>(num_new), now);
    gap_until = Step{-1};
  }
  for (const AuditedRecord& audited : report.records) {
    if (is_new(audited)) take_record(audited, now);
  }
  settle_requests(report, now);
  return {.term = term,
          .durable = journal == nullptr ? auditor.last_record() : durable,
          .changes = set_points.newer_than(report.held_revision),
          .requests = tell_requests(report, now)};
}

void Coordinator::State::take_record(const AuditedRecord& audited, TimePoint now) {
  const budget::StepRecord& record = audited.record;
  const Step before = auditor.last_record();
  const AuditStatus audited_before = auditor.status();
  std::vector<Finding> findings = auditor.observe(audited);
  const budget::SetPointChange* const change = set_points.find(record.in_force.revision);
  const budget::SetPoints& in_force =
      change != nullptr ? change->set_points : set_points.timeline().at(record.step());
  for (Finding& finding : watch.observe(record, in_force)) findings.push_back(std::move(finding));
  memory.remember(audited);
  last_record = record;
  for (const Finding& finding : findings) {
    raise(finding.kind, finding.step, finding.text, now);
    drain_if_asked(finding.kind, now);
  }

  // The state before this record is the one after the last: known only now, so a digest is one
  // record behind.
  const bool follows = before.value + 1 == record.step().value && before.value >= 0;
  if (++records_since_digest <= config.digest_every || !follows || journal == nullptr) return;
  if (!write(DigestEntry{before, audited.before, record.in_force.revision, audited_before,
                         events.alarm_counts()},
             now)) {
    return;
  }
  durable = before;
  records_since_digest = 1;
}

void Coordinator::State::drain_if_asked(AlarmKind kind, TimePoint now) {
  const bool is_grave = kind == AlarmKind::disagreement || kind == AlarmKind::budget_missed;
  if (config.on_alarm != OnAlarm::drain || !is_grave || has_drained) return;
  has_drained = true;
  if (requests.find_waiting(budget::Request::drain)) return;
  const NumberedRequest drain{requests.next_number(), budget::Request::drain};
  write(RequestEntry{drain}, now);
  requests.add(drain);
  say(fmt::format("request {}: drain, because of the alarm ({})", drain.number, name_of(kind)));
}

void Coordinator::State::settle_requests(const RecordReport& report, TimePoint now) {
  for (const NumberedRequest& taken :
       requests.taken_by(report.process.incarnation, report.held_request)) {
    write(OverEntry{taken.number}, now);
    requests.note_over(taken.number);
  }
  // Rank 0 counts on from numbers of a journal that was lost.
  const std::vector<NumberedRequest> hidden = requests.waiting_up_to(report.held_request);
  requests.skip_to(report.held_request);
  for (const NumberedRequest& old : hidden) {
    const NumberedRequest renewed{requests.next_number(), old.request};
    write(RequestEntry{renewed}, now);
    write(OverEntry{old.number}, now);
    requests.add(renewed);
    requests.note_over(old.number);
    say(fmt::format("request {} is request {} now; rank 0 counts from {}", old.number,
                    renewed.number, report.held_request));
  }
}

std::vector<NumberedRequest> Coordinator::State::tell_requests(const RecordReport& report,
                                                               TimePoint now) {
  std::vector<NumberedRequest> told;
  for (const RequestQueue::Entry& entry :
       requests.to_tell(report.process.incarnation, report.held_request)) {
    // Told even if the journal fails: a drain that comes twice is better than one that never does.
    if (entry.told == 0) {
      write(ToldEntry{entry.request.number, report.process.incarnation}, now);
      requests.note_told(entry.request.number, report.process.incarnation);
    }
    told.push_back(entry.request);
  }
  return told;
}

}  // namespace softmoe::coordinator
