// What ranks say and hear.

#include "coordinator/coordinator.pb.h"
#include "coordinator/wire.h"
#include "coordinator/wire_fields.h"
#include "coordinator/wire_parts.h"

namespace softmoe::coordinator {
namespace {

using namespace wire;  // NOLINT: its functions are the words of this file

constexpr double kMaxHeartbeatSeconds = 3600.0;
constexpr int kNumDepartures = 3;

}  // namespace

std::string encode(const Registration& message) {
  v1::RegisterRequest out;
  out.set_protocol(kProtocol);
  put(message.run, *out.mutable_run());
  put(message.process, *out.mutable_process());
  out.set_host(sendable(message.host, kMaxIdentifierBytes));
  out.set_process_id(message.process_id);
  out.set_seen_term(message.seen_term);
  if (message.governor) {
    out.mutable_governor()->set_next_step(message.governor->next_step.value);
    put(message.governor->changes, *out.mutable_governor()->mutable_changes());
  }
  // A part of an address would be another one: what is too long travels, and is refused.
  out.set_metrics_address(sendable(message.metrics_address, kMaxTextBytes));
  return bytes_of(out);
}

template <>
Registration decode<Registration>(std::string_view bytes) {
  v1::RegisterRequest in;
  parse(bytes, in);
  protocol(in.protocol());
  present("run", in.has_run());
  present("process", in.has_process());
  Registration message{.run = take(in.run()),
                       .process = take(in.process()),
                       .host = identifier("host", in.host()),
                       .process_id = count("process_id", in.process_id()),
                       .seen_term = count("seen_term", in.seen_term()),
                       .governor = {},
                       .metrics_address = address("metrics_address", in.metrics_address())};
  if (in.has_governor()) {
    message.governor =
        GovernorReport{.next_step = Step{count("governor.next_step", in.governor().next_step())},
                       .changes = take(in.governor().changes())};
  }
  return message;
}

std::string encode(const Admission& message) {
  v1::RegisterReply out;
  out.set_term(message.term);
  out.set_last_record(message.last_record.value);
  out.set_heartbeat_seconds(message.heartbeat_seconds);
  return bytes_of(out);
}

template <>
Admission decode<Admission>(std::string_view bytes) {
  v1::RegisterReply in;
  parse(bytes, in);
  const double seconds = number("heartbeat_seconds", in.heartbeat_seconds());
  if (seconds <= 0 || seconds > kMaxHeartbeatSeconds)
    refuse("heartbeat_seconds", std::to_string(seconds), "in (0, 3600]");
  return {.term = count("term", in.term()),
          .last_record = Step{step_or_none("last_record", in.last_record())},
          .heartbeat_seconds = seconds};
}

std::string encode(const Heartbeat& message) {
  v1::HeartbeatRequest out;
  out.set_protocol(kProtocol);
  out.set_run_id(sendable(message.run_id, kMaxIdentifierBytes));
  put(message.process, *out.mutable_process());
  out.set_term(message.term);
  put(message.place, *out.mutable_place());
  return bytes_of(out);
}

template <>
Heartbeat decode<Heartbeat>(std::string_view bytes) {
  v1::HeartbeatRequest in;
  parse(bytes, in);
  protocol(in.protocol());
  present("process", in.has_process());
  present("place", in.has_place());
  return {.run_id = identifier("run_id", in.run_id()),
          .process = take(in.process()),
          .term = count("term", in.term()),
          .place = take(in.place())};
}

std::string encode(const HeartbeatReply& message) {
  v1::HeartbeatReply out;
  out.set_term(message.term);
  out.set_verdict(sendable(message.verdict, kMaxTextBytes));
  return bytes_of(out);
}

template <>
HeartbeatReply decode<HeartbeatReply>(std::string_view bytes) {
  v1::HeartbeatReply in;
  parse(bytes, in);
  return {.term = count("term", in.term()), .verdict = text("verdict", in.verdict())};
}

std::string encode(const RecordReport& message) {
  v1::ReportRequest out;
  out.set_protocol(kProtocol);
  out.set_run_id(sendable(message.run_id, kMaxIdentifierBytes));
  put(message.process, *out.mutable_process());
  out.set_term(message.term);
  for (const AuditedRecord& record : message.records) put(record, *out.add_records());
  out.set_held_revision(message.held_revision);
  out.set_held_request(message.held_request);
  return bytes_of(out);
}

template <>
RecordReport decode<RecordReport>(std::string_view bytes) {
  v1::ReportRequest in;
  parse(bytes, in);
  protocol(in.protocol());
  present("process", in.has_process());
  bounded("records", in.records_size(), kMaxRecordsPerReport);
  RecordReport message{.run_id = identifier("run_id", in.run_id()),
                       .process = take(in.process()),
                       .term = count("term", in.term()),
                       .records = {},
                       .held_revision = count("held_revision", in.held_revision()),
                       .held_request = count("held_request", in.held_request())};
  message.records.reserve(static_cast<std::size_t>(in.records_size()));
  for (const auto& record : in.records()) message.records.push_back(take(record));
  return message;
}

std::string encode(const RecordReply& message) {
  v1::ReportReply out;
  out.set_term(message.term);
  out.set_durable(message.durable.value);
  put(message.changes, *out.mutable_changes());
  put(message.requests, *out.mutable_requests());
  return bytes_of(out);
}

template <>
RecordReply decode<RecordReply>(std::string_view bytes) {
  v1::ReportReply in;
  parse(bytes, in);
  return {.term = count("term", in.term()),
          .durable = Step{step_or_none("durable", in.durable())},
          .changes = take(in.changes()),
          .requests = take(in.requests())};
}

std::string encode(const Farewell& message) {
  v1::FarewellRequest out;
  out.set_protocol(kProtocol);
  out.set_run_id(sendable(message.run_id, kMaxIdentifierBytes));
  put(message.process, *out.mutable_process());
  out.set_term(message.term);
  out.set_departure(static_cast<v1::Departure>(message.departure));
  out.set_reason(sendable(message.reason, kMaxTextBytes));
  return bytes_of(out);
}

template <>
Farewell decode<Farewell>(std::string_view bytes) {
  v1::FarewellRequest in;
  parse(bytes, in);
  protocol(in.protocol());
  present("process", in.has_process());
  return {.run_id = identifier("run_id", in.run_id()),
          .process = take(in.process()),
          .term = count("term", in.term()),
          .departure = kind<Departure>("departure", in.departure(), kNumDepartures),
          .reason = text("reason", in.reason())};
}

std::string encode(const Empty&) {
  return bytes_of(v1::FarewellReply());
}

template <>
Empty decode<Empty>(std::string_view bytes) {
  v1::FarewellReply in;
  parse(bytes, in);
  return {};
}

}  // namespace softmoe::coordinator
