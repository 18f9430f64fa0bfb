#include <nlohmann/json.hpp>

#include "budget/control_log.h"
#include "launcher/run/status_text.h"

namespace softmoe::launcher {

namespace {

using nlohmann::json;

json set_points_of(const budget::SetPointChange& change) {
  return json::parse(budget::line_of(change)).at("set_points");
}

json budget_of(const coordinator::BudgetStatus& budget, Step in_force_since) {
  json planned = json::array();
  for (const budget::SetPointChange& change : budget.planned) {
    planned.push_back(set_points_of(change));
  }
  json object = {{"in_force", set_points_of({in_force_since, budget.in_force})},
                 {"planned", std::move(planned)},
                 {"used", budget.used},
                 {"window_steps", budget.window_steps},
                 {"window_error_ratio", budget.window_error_ratio},
                 {"window_rms_ratio", budget.window_rms_ratio},
                 {"executed", budget.executed_L},
                 {"soft_mass", budget.soft_mass_L},
                 {"boundary_mass", budget.boundary_mass_L}};
  if (budget.last_word) {
    object["word"] = json::parse(budget::line_of(*budget.last_word)).at("word");
  }
  return object;
}

json ranks_of(const std::vector<coordinator::MemberStatus>& members) {
  json ranks = json::array();
  for (const coordinator::MemberStatus& member : members) {
    ranks.push_back({{"rank", member.rank.value},
                     {"state", name_of(member.state)},
                     {"host", member.host},
                     {"process_id", member.process_id},
                     {"incarnations", member.incarnations},
                     {"step", member.place.step.value},
                     {"phase", name_of(member.place.phase)},
                     {"layer", member.place.layer},
                     {"operation", member.place.operation},
                     {"seconds_since_heartbeat", member.seconds_since_heartbeat},
                     {"metrics_address", member.metrics_address}});
  }
  return ranks;
}

json alarms_of(const coordinator::Status& status) {
  json alarms = json::array();
  for (const coordinator::Alarm& alarm : status.alarms) {
    alarms.push_back({{"kind", name_of(alarm.kind)},
                      {"unix_seconds", alarm.unix_seconds},
                      {"step", alarm.step.value},
                      {"text", alarm.text}});
  }
  return alarms;
}

/// {"name": count} of what has happened at all.
template <class Kind, std::size_t N>
json counts_of(const std::array<std::int64_t, N>& counts) {
  json object = json::object();
  for (std::size_t i = 0; i < N; ++i) {
    if (counts[i] > 0) object[std::string(name_of(static_cast<Kind>(i)))] = counts[i];
  }
  return object;
}

}  // namespace

std::string status_json(const coordinator::Status& status) {
  json requests = json::array();
  for (const coordinator::NumberedRequest& request : status.pending_requests) {
    requests.push_back({{"number", request.number}, {"request", name_of(request.request)}});
  }
  return json{{"run",
               {{"id", status.run.run_id},
                {"version", status.run.version},
                {"config_hash", status.run.config_hash},
                {"world", status.run.world}}},
              {"term", status.term},
              {"started_unix_seconds", status.started_unix_seconds},
              {"last_record", status.last_record.value},
              {"step_seconds", status.step_seconds},
              {"budget", budget_of(status.budget, status.last_record)},
              {"audit",
               {{"agreed", status.audit.agreed},
                {"disagreed", status.audit.disagreed},
                {"unaudited", status.audit.unaudited}}},
              {"ranks", ranks_of(status.members)},
              {"pending_requests", std::move(requests)},
              {"verdict", status.verdict},
              {"alarms", alarms_of(status)},
              {"alarm_counts", counts_of<coordinator::AlarmKind>(status.alarm_counts)},
              {"refusals", counts_of<coordinator::Reason>(status.refusals)}}
      .dump();
}

std::string change_json(const coordinator::ChangeReply& reply) {
  return json{{"set_points", set_points_of(reply.change)}, {"replaced", reply.replaced}}.dump();
}

}  // namespace softmoe::launcher
