#include "tests/unit/coordinator_wire/fake_coordinator.h"

#include <fmt/format.h>

#include "coordinator/refusal.h"

namespace softmoe::coordinator {

template <class Reply, class Message>
auto FakeCoordinator::locked(Reply (FakeCoordinator::*function)(const Message&)) {
  return [this, function](const Message& message) {
    const std::lock_guard lock(mutex_);
    changed_.notify_all();
    return (this->*function)(message);
  };
}

Handlers FakeCoordinator::handlers() {
  return {
      .register_rank = locked(&FakeCoordinator::on_register),
      .heartbeat = locked(&FakeCoordinator::on_heartbeat),
      .report = locked(&FakeCoordinator::on_report),
      .farewell =
          [this](const Farewell& in) {
            change([&](auto& a) {
              a.check_term(in.term);
              a.farewells_.push_back(in);
            });
          },
      .status =
          [this] {
            Status status;
            change([&](auto& all) {
              ++all.num_status_;
              status.term = all.term_;
            });
            status.run.world = 1;
            return status;
          },
      .change =
          [this](const ChangeOrder& order) {
            change([&](auto& all) { all.orders_.push_back(order); });
            return ChangeReply{
                .change = {.effective_from = Step{7}}, .replaced = {3}, .before = {}};
          },
      .request =
          [](budget::Request request) { return NumberedRequest{.number = 1, .request = request}; },
      .look = [this] { change([](auto& all) { ++all.num_looks_; }); },
      .note_refusal = [this](Reason reason,
                             const auto&) { change([&](auto& a) { ++a.refusals_[reason]; }); }};
}

bool FakeCoordinator::wait_for(const std::function<bool(const FakeCoordinator&)>& condition,
                               std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, test::patience(limit), [&] { return condition(*this); });
}

void FakeCoordinator::change(const std::function<void(FakeCoordinator&)>& how) {
  const std::lock_guard lock(mutex_);
  how(*this);
  changed_.notify_all();
}

std::vector<std::int64_t> FakeCoordinator::steps() {
  const std::lock_guard lock(mutex_);
  std::vector<std::int64_t> steps;
  for (const auto& [step, record] : records_) steps.push_back(step);
  return steps;
}

void FakeCoordinator::check_term(std::int64_t term) const {
  if (checks_term_ && term != term_)
    throw Refused(Reason::term, fmt::format("term {}, this is {}", term, term_));
}

Admission FakeCoordinator::on_register(const Registration& registration) {
  registrations_.push_back(registration);
  std::int64_t last = last_record_;
  if (last < 0 && !records_.empty()) last = records_.rbegin()->first;
  if (last < 0 && registration.governor) last = registration.governor->next_step.value - 1;
  return {.term = term_, .last_record = Step{last}, .heartbeat_seconds = heartbeat_seconds_};
}

HeartbeatReply FakeCoordinator::on_heartbeat(const Heartbeat& heartbeat) {
  if (on_heartbeat_) on_heartbeat_(heartbeat);
  check_term(heartbeat.term);
  heartbeats_.push_back(heartbeat);
  return {.term = term_, .verdict = verdict_};
}

RecordReply FakeCoordinator::on_report(const RecordReport& report) {
  if (on_report_) on_report_(report);
  check_term(report.term);
  ++num_reports_;
  held_revision_ = report.held_revision;
  held_request_ = report.held_request;
  for (const AuditedRecord& record : report.records) records_[record.record.step().value] = record;
  RecordReply reply{.term = term_, .durable = Step{-1}, .changes = {}, .requests = {}};
  if (is_durable_ && !records_.empty()) reply.durable = Step{records_.rbegin()->first};
  // Again and again until they are held, as the coordinator does.
  for (const auto& change : changes_) {
    if (change.set_points.revision > report.held_revision) reply.changes.push_back(change);
  }
  for (const auto& request : requests_) {
    if (request.number > report.held_request) reply.requests.push_back(request);
  }
  return reply;
}

}  // namespace softmoe::coordinator
