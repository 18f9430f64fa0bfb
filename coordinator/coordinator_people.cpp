// The calls of people.

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "coordinator/coordinator_state.h"

namespace softmoe::coordinator {
namespace {

/// How far ahead a change is promised, for rank 0 to hear of it in time where steps are short.
constexpr double kSecondsAhead = 0.25;

/// The order with a step that rank 0 has not decided when it hears of it, if people leave it open.
ChangeOrder with_step(ChangeOrder order, Step last_record, double step_seconds) {
  if (order.effective_from || step_seconds <= 0.0) return order;
  const auto ahead = static_cast<std::int64_t>(std::ceil(kSecondsAhead / step_seconds)) + 1;
  order.effective_from = Step(last_record.value + std::max(kStepsAhead, ahead));
  return order;
}

}  // namespace

ChangeReply Coordinator::State::change(const ChangeOrder& order, TimePoint now) {
  const Step last = auditor.last_record();
  ChangeReply reply =
      set_points.draft(with_step(order, last, memory.median_step_seconds()), last, term);
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
  const std::string_view name = name_of(request);
  if (name == "?") {
    throw Refused(Reason::not_in_this_mode,
                  fmt::format("{} is no request; there are save, drain and stop",
                              static_cast<std::uint32_t>(request)));
  }
  if (const auto waiting = requests.find_waiting(request)) return *waiting;
  const NumberedRequest numbered{requests.next_number(), request};
  write_or_refuse(RequestEntry{numbered}, "the request", now);
  requests.add(numbered);
  say(fmt::format("request {}: {}", numbered.number, name));
  return numbered;
}

BudgetStatus Coordinator::State::budget_status() const {
  BudgetStatus status;
  // Before the first record the initial set-points hold.
  const Step last = std::max(auditor.last_record(), Step(0));
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
