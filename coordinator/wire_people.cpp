// What people say and hear.

#include <algorithm>

#include "coordinator/coordinator.pb.h"
#include "coordinator/wire.h"
#include "coordinator/wire_fields.h"
#include "coordinator/wire_parts.h"

namespace softmoe::coordinator {
namespace {

using namespace wire;  // NOLINT: its functions are the words of this file

constexpr int kNumModes = 3;
constexpr int kNumMemberStates = 4;
constexpr int kMaxKinds = 256;

void put_member(const MemberStatus& member, v1::MemberStatus& out) {
  out.set_rank(member.rank.value);
  out.set_state(static_cast<v1::MemberState>(member.state));
  out.set_host(sendable(member.host, kMaxIdentifierBytes));
  out.set_process_id(member.process_id);
  out.set_incarnations(member.incarnations);
  put(member.place, *out.mutable_place());
  out.set_seconds_since_heartbeat(member.seconds_since_heartbeat);
  out.set_metrics_address(sendable(member.metrics_address, kMaxTextBytes));
}

MemberStatus take_member(const v1::MemberStatus& in) {
  present("members.place", in.has_place());
  return {.rank = Rank{static_cast<int>(integer("members.rank", in.rank(), 0, kMaxWorld - 1))},
          .state = kind<MemberState>("members.state", in.state(), kNumMemberStates),
          .host = identifier("members.host", in.host()),
          .process_id = count("members.process_id", in.process_id()),
          .incarnations = count("members.incarnations", in.incarnations()),
          .place = take(in.place()),
          .seconds_since_heartbeat =
              number("members.seconds_since_heartbeat", in.seconds_since_heartbeat()),
          .metrics_address = address("members.metrics_address", in.metrics_address())};
}

void put_budget(const BudgetStatus& status, v1::BudgetStatus& out) {
  put(status.in_force, *out.mutable_in_force());
  put(status.planned, *out.mutable_planned());
  if (status.last_word) put(*status.last_word, *out.mutable_last_word());
  out.set_used(status.used);
  out.set_window_error_ratio(status.window_error_ratio);
  out.set_window_rms_ratio(status.window_rms_ratio);
  out.set_window_steps(status.window_steps);
  set_by_layer(*out.mutable_executed(), status.executed_L);
  set_by_layer(*out.mutable_soft_mass(), status.soft_mass_L);
  set_by_layer(*out.mutable_boundary_mass(), status.boundary_mass_L);
}

BudgetStatus take_budget(const v1::BudgetStatus& in) {
  present("budget.in_force", in.has_in_force());
  BudgetStatus status{
      .in_force = take(in.in_force()),
      .planned = take(in.planned()),
      .last_word = {},
      .used = number("budget.used", in.used()),
      .window_error_ratio = number("budget.window_error_ratio", in.window_error_ratio()),
      .window_rms_ratio = number("budget.window_rms_ratio", in.window_rms_ratio()),
      .window_steps = static_cast<int>(count("budget.window_steps", in.window_steps())),
      .executed_L = by_layer("budget.executed", in.executed()),
      .soft_mass_L = by_layer("budget.soft_mass", in.soft_mass()),
      .boundary_mass_L = by_layer("budget.boundary_mass", in.boundary_mass())};
  if (in.has_last_word()) status.last_word = take(in.last_word());
  return status;
}

void put_alarm(const Alarm& alarm, v1::Alarm& out) {
  out.set_kind(static_cast<v1::AlarmKind>(alarm.kind));
  out.set_unix_seconds(alarm.unix_seconds);
  out.set_step(alarm.step.value);
  out.set_text(sendable(alarm.text, kMaxTextBytes));
}

Alarm take_alarm(const v1::Alarm& in) {
  return {.kind = kind<AlarmKind>("alarms.kind", in.kind(), kNumAlarmKinds),
          .unix_seconds = count("alarms.unix_seconds", in.unix_seconds()),
          .step = Step{step_or_none("alarms.step", in.step())},
          .text = text("alarms.text", in.text())};
}

/// Counters by kind. A newer coordinator may have more kinds, an older one fewer.
template <std::size_t size>
std::array<std::int64_t, size> take_counts(
    std::string_view field, const google::protobuf::RepeatedField<std::int64_t>& in) {
  bounded(field, in.size(), kMaxKinds);
  for (const std::int64_t value : in) count(field, value);
  std::array<std::int64_t, size> counts{};
  std::copy_n(in.begin(), std::min(size, static_cast<std::size_t>(in.size())), counts.begin());
  return counts;
}

void put_layers(const std::vector<double>& values, v1::LayerValues& out) {
  set_by_layer(*out.mutable_value(), values);
}

}  // namespace

std::string encode(const StatusRequest&) {
  v1::StatusRequest out;
  out.set_protocol(kProtocol);
  return bytes_of(out);
}

template <>
StatusRequest decode<StatusRequest>(std::string_view bytes) {
  v1::StatusRequest in;
  parse(bytes, in);
  protocol(in.protocol());
  return {};
}

std::string encode(const Status& message) {
  v1::StatusReply out;
  put(message.run, *out.mutable_run());
  out.set_term(message.term);
  out.set_started_unix_seconds(message.started_unix_seconds);
  out.set_last_record(message.last_record.value);
  out.set_step_seconds(message.step_seconds);
  for (const MemberStatus& member : message.members) put_member(member, *out.add_members());
  put_budget(message.budget, *out.mutable_budget());
  out.mutable_audit()->set_agreed(message.audit.agreed);
  out.mutable_audit()->set_disagreed(message.audit.disagreed);
  out.mutable_audit()->set_unaudited(message.audit.unaudited);
  put(message.pending_requests, *out.mutable_pending_requests());
  out.set_verdict(sendable(message.verdict, kMaxTextBytes));
  for (const Alarm& alarm : message.alarms) put_alarm(alarm, *out.add_alarms());
  out.mutable_alarm_counts()->Add(message.alarm_counts.begin(), message.alarm_counts.end());
  out.mutable_refusals()->Add(message.refusals.begin(), message.refusals.end());
  return bytes_of(out);
}

template <>
Status decode<Status>(std::string_view bytes) {
  v1::StatusReply in;
  parse(bytes, in);
  present("run", in.has_run());
  present("budget", in.has_budget());
  present("audit", in.has_audit());
  bounded("members", in.members_size(), kMaxWorld);
  bounded("alarms", in.alarms_size(), kMaxAlarms);
  Status message{.run = take(in.run()),
                 .term = count("term", in.term()),
                 .started_unix_seconds = count("started_unix_seconds", in.started_unix_seconds()),
                 .last_record = Step{step_or_none("last_record", in.last_record())},
                 .step_seconds = number("step_seconds", in.step_seconds()),
                 .members = {},
                 .budget = take_budget(in.budget()),
                 .audit = {.agreed = count("audit.agreed", in.audit().agreed()),
                           .disagreed = count("audit.disagreed", in.audit().disagreed()),
                           .unaudited = count("audit.unaudited", in.audit().unaudited())},
                 .pending_requests = take(in.pending_requests()),
                 .verdict = text("verdict", in.verdict()),
                 .alarms = {},
                 .alarm_counts = take_counts<kNumAlarmKinds>("alarm_counts", in.alarm_counts()),
                 .refusals = take_counts<kNumReasons>("refusals", in.refusals())};
  message.members.reserve(static_cast<std::size_t>(in.members_size()));
  for (const auto& member : in.members()) message.members.push_back(take_member(member));
  message.alarms.reserve(static_cast<std::size_t>(in.alarms_size()));
  for (const auto& alarm : in.alarms()) message.alarms.push_back(take_alarm(alarm));
  return message;
}

std::string encode(const ChangeOrder& message) {
  v1::ChangeRequest out;
  out.set_protocol(kProtocol);
  if (message.effective_from) out.set_effective_from(message.effective_from->value);
  if (message.budget) out.set_budget(*message.budget);
  if (message.mode) out.set_mode(static_cast<v1::Mode>(*message.mode));
  if (message.layer_cost_L) put_layers(*message.layer_cost_L, *out.mutable_layer_cost());
  if (message.layer_min_L) put_layers(*message.layer_min_L, *out.mutable_layer_min());
  if (message.layer_max_L) put_layers(*message.layer_max_L, *out.mutable_layer_max());
  if (message.temperature) put(*message.temperature, *out.mutable_temperature());
  return bytes_of(out);
}

template <>
ChangeOrder decode<ChangeOrder>(std::string_view bytes) {
  v1::ChangeRequest in;
  parse(bytes, in);
  protocol(in.protocol());
  ChangeOrder message;
  if (in.has_effective_from())
    message.effective_from = Step{count("effective_from", in.effective_from())};
  if (in.has_budget()) message.budget = number("budget", in.budget());
  if (in.has_mode()) message.mode = kind<budget::Mode>("mode", in.mode(), kNumModes);
  if (in.has_layer_cost()) message.layer_cost_L = by_layer("layer_cost", in.layer_cost().value());
  if (in.has_layer_min()) message.layer_min_L = by_layer("layer_min", in.layer_min().value());
  if (in.has_layer_max()) message.layer_max_L = by_layer("layer_max", in.layer_max().value());
  if (in.has_temperature()) message.temperature = take(in.temperature());
  return message;
}

std::string encode(const ChangeReply& message) {
  v1::ChangeReply out;
  put(message.change, *out.mutable_change());
  out.mutable_replaced()->Add(message.replaced.begin(), message.replaced.end());
  if (message.before) put(*message.before, *out.mutable_before());
  return bytes_of(out);
}

template <>
ChangeReply decode<ChangeReply>(std::string_view bytes) {
  v1::ChangeReply in;
  parse(bytes, in);
  present("change", in.has_change());
  bounded("replaced", in.replaced_size(), kMaxListed);
  for (const std::int64_t revision : in.replaced()) count("replaced", revision);
  ChangeReply message{.change = take(in.change()),
                      .replaced = {in.replaced().begin(), in.replaced().end()},
                      .before = {}};
  if (in.has_before()) message.before = take(in.before());
  return message;
}

std::string encode(const RequestOrder& message) {
  v1::MakeRequestRequest out;
  out.set_protocol(kProtocol);
  out.set_request(static_cast<v1::Request>(message.request));
  return bytes_of(out);
}

template <>
RequestOrder decode<RequestOrder>(std::string_view bytes) {
  v1::MakeRequestRequest in;
  parse(bytes, in);
  protocol(in.protocol());
  return {.request = request_of(in.request())};
}

std::string encode(const NumberedRequest& message) {
  v1::MakeRequestReply out;
  put(message, *out.mutable_request());
  return bytes_of(out);
}

template <>
NumberedRequest decode<NumberedRequest>(std::string_view bytes) {
  v1::MakeRequestReply in;
  parse(bytes, in);
  present("request", in.has_request());
  return take(in.request());
}

}  // namespace softmoe::coordinator
