#include "launcher/run/status_text.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <ctime>

#include "training/telemetry.h"

namespace softmoe::launcher {

namespace {

using coordinator::Alarm;
using coordinator::BudgetStatus;
using coordinator::MemberStatus;
using coordinator::Status;

constexpr std::size_t kAlarmsShown = 8;

std::string utc(std::int64_t unix_seconds) {
  return fmt::format("{:%Y-%m-%d %H:%M:%S}", fmt::gmtime(static_cast<std::time_t>(unix_seconds)));
}

std::string temperature_text(const budget::Temperature& temperature) {
  const std::int64_t end = temperature.first_step + temperature.num_steps;
  switch (temperature.kind) {
    case budget::TemperatureKind::constant:
      return fmt::format("alpha {:g}", temperature.start);
    case budget::TemperatureKind::cosine:
      return fmt::format("alpha from {:g} to {:g} over steps {} to {}", temperature.start,
                         temperature.end, temperature.first_step, end);
    case budget::TemperatureKind::boundary_mass:
      return fmt::format("alpha follows W/k from {:g} to {:g} over steps {} to {}",
                         temperature.start_softness, temperature.end_softness,
                         temperature.first_step, end);
  }
  return "";
}

std::string set_points_text(const budget::SetPoints& points) {
  return fmt::format("budget {:g}, mode {}, {}", points.budget, name_of(points.mode),
                     temperature_text(points.temperature));
}

std::string run_lines(const Status& status) {
  return fmt::format(
      "run {}  version {}  configuration {}  {} ranks  term {}  coordinator since {} UTC\n",
      status.run.run_id, status.run.version, status.run.config_hash, status.run.world, status.term,
      utc(status.started_unix_seconds));
}

std::string budget_lines(const Status& status) {
  const BudgetStatus& budget = status.budget;
  std::string text = fmt::format("in force: {} (revision {})\n", set_points_text(budget.in_force),
                                 budget.in_force.revision);
  for (const budget::SetPointChange& change : budget.planned) {
    text +=
        fmt::format("planned:  {} from step {} (revision {})\n", set_points_text(change.set_points),
                    change.effective_from.value, change.set_points.revision);
  }
  if (!budget.last_word) return text + "no step has been reported yet\n";
  text += fmt::format(
      "step {}, {:.3g} s each: used {:.4f} of {:.4f} executions per token; error {:+.2f} %, rms "
      "{:.2f} % over {} steps; lambda {:.4f}, alpha {:.4f}\n",
      status.last_record.value, status.step_seconds, budget.used, budget.last_word->budget,
      100 * budget.window_error_ratio, 100 * budget.window_rms_ratio, budget.window_steps,
      budget.last_word->lambda, budget.last_word->alpha);
  return text + fmt::format("audit: {} words agreed, {} disagreed, {} not audited\n",
                            status.audit.agreed, status.audit.disagreed, status.audit.unaudited);
}

std::string layer_table(const BudgetStatus& budget) {
  if (budget.executed_L.empty()) return "";
  std::string text = "\nlayer   learned mean k   experts run per token   boundary mass\n";
  for (std::size_t layer = 0; layer < budget.executed_L.size(); ++layer) {
    text +=
        fmt::format("{:>5}   {:>14.3f}   {:>21.3f}   {:>13.4f}\n", layer, budget.soft_mass_L[layer],
                    budget.executed_L[layer], budget.boundary_mass_L[layer]);
  }
  return text;
}

std::string heard_text(const MemberStatus& member) {
  return member.state == coordinator::MemberState::absent
             ? "never"
             : training::short_duration(member.seconds_since_heartbeat) + " ago";
}

std::string rank_table(const Status& status) {
  std::string text =
      "\n rank   state    host                    pid     step   phase          layer   operation  "
      " "
      "heard\n";
  for (const MemberStatus& member : status.members) {
    text += fmt::format("{:>5}   {:<6}   {:<16} {:>10} {:>8}   {:<12} {:>7} {:>11}   {}\n",
                        member.rank.value, name_of(member.state), member.host, member.process_id,
                        member.place.step.value, name_of(member.place.phase), member.place.layer,
                        member.place.operation, heard_text(member));
  }
  return text;
}

std::string trouble_lines(const Status& status) {
  std::string text;
  for (const auto& request : status.pending_requests) {
    text += fmt::format("waiting for rank 0: request {}, {}\n", request.number,
                        name_of(request.request));
  }
  for (int reason = 0; reason < coordinator::kNumReasons; ++reason) {
    const std::int64_t count = status.refusals[static_cast<std::size_t>(reason)];
    if (count == 0) continue;
    text += fmt::format("refused {} calls: {}\n", count,
                        name_of(static_cast<coordinator::Reason>(reason)));
  }
  const std::size_t shown = std::min(status.alarms.size(), kAlarmsShown);
  for (std::size_t i = status.alarms.size() - shown; i < status.alarms.size(); ++i) {
    const Alarm& alarm = status.alarms[i];
    text += fmt::format("alarm {} UTC, step {}: {}: {}\n", utc(alarm.unix_seconds),
                        alarm.step.value, name_of(alarm.kind), alarm.text);
  }
  if (!status.verdict.empty()) text += fmt::format("HELD UP: {}\n", status.verdict);
  return text.empty() ? "" : "\n" + text;
}

}  // namespace

std::string status_text(const Status& status) {
  return run_lines(status) + budget_lines(status) + layer_table(status.budget) +
         rank_table(status) + trouble_lines(status);
}

std::string change_text(const coordinator::ChangeReply& reply) {
  std::string text =
      fmt::format("from step {}: {} (revision {})", reply.change.effective_from.value,
                  set_points_text(reply.change.set_points), reply.change.set_points.revision);
  if (reply.before) text += fmt::format("\nbefore: {}", set_points_text(*reply.before));
  if (!reply.replaced.empty()) {
    text += fmt::format("\nreplaces the planned revisions {}", fmt::join(reply.replaced, ", "));
  }
  return text;
}

}  // namespace softmoe::launcher
