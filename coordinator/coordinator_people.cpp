// The calls of people.

#include <fmt/core.h>

#include "coordinator/coordinator_state.h"

namespace softmoe::coordinator {
namespace {

std::string name_of(budget::Request request) {
  switch (request) {
    case budget::Request::save:
      return "save";
    case budget::Request::drain:
      return "drain";
    case budget::Request::stop:
      return "stop";
  }
  throw Refused(Reason::not_in_this_mode,
                fmt::format("{} is no request; there are save, drain and stop",
                            static_cast<std::uint32_t>(request)));
}

}  // namespace

ChangeReply Coordinator::State::change(const ChangeOrder& order, TimePoint now) {
  ChangeReply reply = set_points.draft(order, auditor.last_record(), term);
  write_or_refuse(ChangeEntry{reply.change}, "the change", now);
  set_points.issue(reply.change);
  const budget::SetPoints& next = reply.change.set_points;
  say(fmt::format("revision {}: budget {}, mode {} from step {}{}", next.revision, next.budget,
                  name_of(next.mode), reply.change.effective_from.value,
                  reply.replaced.empty()
                      ? ""
                      : fmt::format("; it replaces {} planned", reply.replaced.size())));
  return reply;
}

NumberedRequest Coordinator::State::request(budget::Request request, TimePoint now) {
  const std::string name = name_of(request);
  if (const auto waiting = requests.find_waiting(request)) return *waiting;
  const NumberedRequest numbered{requests.next_number(), request};
  write_or_refuse(RequestEntry{numbered}, "the request", now);
  requests.add(numbered);
  say(fmt::format("request {}: {}", numbered.number, name));
  return numbered;
}

BudgetStatus Coordinator::State::budget_status() const {
  BudgetStatus status;
  const Step last = auditor.last_record();
  status.in_force = set_points.timeline().at(last);
  status.planned = set_points.planned_after(last);
  status.window_error_ratio = watch.mean_error_ratio();
  status.window_rms_ratio = watch.rms_error_ratio();
  status.window_steps = watch.window_steps();
  if (!last_record) return status;
  if (const auto* change = set_points.find(last_record->in_force.revision)) {
    status.in_force = change->set_points;
  }
  status.last_word = last_record->in_force;
  status.used = budget::used_per_token(*last_record, status.in_force.layer_cost_L);
  for (const std::int64_t rows : last_record->executed_L) {
    status.executed_L.push_back(static_cast<double>(rows) /
                                static_cast<double>(last_record->tokens));
  }
  status.soft_mass_L = last_record->soft_mass_L;
  status.boundary_mass_L = last_record->boundary_mass_L;
  return status;
}

Status Coordinator::State::status(TimePoint now) const {
  return {.run = plan.identity,
          .term = term,
          .started_unix_seconds = started_unix_seconds,
          .last_record = auditor.last_record(),
          .step_seconds = memory.median_step_seconds(),
          .members = members.list(now),
          .budget = budget_status(),
          .audit = auditor.status(),
          .pending_requests = requests.pending(),
          .verdict = verdict.text,
          .alarms = {events.alarms().begin(), events.alarms().end()},
          .alarm_counts = events.alarm_counts(),
          .refusals = events.refusals()};
}

}  // namespace softmoe::coordinator
