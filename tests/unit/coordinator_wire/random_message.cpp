#include "tests/unit/coordinator_wire/random_message.h"

#include <limits>

namespace softmoe::coordinator {
namespace {

constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();

}  // namespace

std::int64_t RandomMessage::integer(std::int64_t min, std::int64_t max) {
  return std::uniform_int_distribution<std::int64_t>(min, max)(random_);
}

double RandomMessage::number() {
  constexpr std::array kCorners = {0.0,
                                   -0.0,
                                   1.0,
                                   std::numeric_limits<double>::max(),
                                   std::numeric_limits<double>::lowest(),
                                   std::numeric_limits<double>::denorm_min()};
  if (integer(0, 3) == 0) return kCorners[static_cast<std::size_t>(integer(0, 5))];
  return std::normal_distribution<double>(0.0, 1e3)(random_);
}

std::string RandomMessage::text(int max_bytes) {
  constexpr std::array<std::string_view, 6> kPieces = {"a", " ", "ü", "λ", "中", "😀"};
  std::string text;
  for (std::int64_t n = integer(0, 12); n > 0; --n)
    text += kPieces[static_cast<std::size_t>(integer(0, 5))];
  return text.size() <= static_cast<std::size_t>(max_bytes) ? text : "";
}

std::string RandomMessage::address() {
  constexpr std::array<std::string_view, 5> kHosts = {"127.0.0.1", "[::1]", "node-7.cluster.local",
                                                      "n_0", "*"};
  if (integer(0, 3) == 0) return "";
  return std::string(kHosts[static_cast<std::size_t>(integer(0, 4))]) + ":" +
         std::to_string(integer(1, 65535));
}

RunIdentity RandomMessage::run() {
  return {.run_id = text(256),
          .version = text(256),
          .config_hash = text(256),
          .world = static_cast<int>(integer(1, kMaxWorld))};
}

RankProcess RandomMessage::process() {
  return {.rank = Rank{static_cast<int>(integer(0, kMaxWorld - 1))},
          .incarnation = static_cast<std::uint64_t>(integer(1, kMax)) * 2 + 1};
}

Progress::Place RandomMessage::place() {
  return {.step = Step{integer(0, kMax)},
          .phase = static_cast<Phase>(integer(0, kNumPhases - 1)),
          .layer = static_cast<int>(integer(0, 2047)),
          .operation = integer(0, kMax)};
}

budget::Temperature RandomMessage::temperature() {
  return {.kind = static_cast<budget::TemperatureKind>(integer(0, 2)),
          .start = number(),
          .end = number(),
          .first_step = integer(0, kMax),
          .num_steps = integer(0, kMax),
          .start_softness = number(),
          .end_softness = number(),
          .floor = number(),
          .ceiling = number()};
}

std::vector<double> RandomMessage::by_layer() {
  std::vector<double> values(static_cast<std::size_t>(integer(0, 70)));
  for (double& value : values) value = number();
  return values;
}

budget::SetPoints RandomMessage::set_points() {
  return {.budget = number(),
          .mode = static_cast<budget::Mode>(integer(0, 2)),
          .initial_lambda = number(),
          .min_lambda = number(),
          .max_lambda = number(),
          .layer_cost_L = by_layer(),
          .layer_min_L = by_layer(),
          .layer_max_L = by_layer(),
          .gains = {.delay = static_cast<int>(integer(0, 2)),
                    .newton = number(),
                    .debt = number(),
                    .max_step = number(),
                    .max_repayment_ratio = number(),
                    .gain_smoothing = number(),
                    .min_gain_ratio = number()},
          .temperature = temperature(),
          .revision = integer(0, kMax),
          .term = integer(0, kMax)};
}

std::vector<budget::SetPointChange> RandomMessage::changes() {
  std::vector<budget::SetPointChange> changes;
  std::int64_t revision = integer(0, 5);
  for (std::int64_t n = integer(0, 4); n > 0; --n) {
    changes.push_back({.effective_from = Step{integer(0, kMax)}, .set_points = set_points()});
    changes.back().set_points.revision = revision += integer(1, 1000);
  }
  return changes;
}

budget::ControlWord RandomMessage::word() {
  return {.step = Step{integer(0, kMax)},
          .revision = integer(0, kMax),
          .term = integer(0, kMax),
          .lambda = number(),
          .alpha = number(),
          .budget = number(),
          .mode = static_cast<budget::Mode>(integer(0, 2)),
          .requests = static_cast<std::uint32_t>(integer(0, 7))};
}

AuditedRecord RandomMessage::record() {
  AuditedRecord drawn{.record = {.in_force = word(),
                                 .tokens = integer(0, kMax),
                                 .executed_L = {},
                                 .gain_L = by_layer(),
                                 .boundary_mass_L = by_layer(),
                                 .soft_mass_L = by_layer()},
                      .before = {.lambda = number(),
                                 .alpha = number(),
                                 .debt = number(),
                                 .gain = number(),
                                 .last_record = Step{integer(-1, kMax)}}};
  for (std::int64_t n = integer(0, 70); n > 0; --n)
    drawn.record.executed_L.push_back(integer(0, kMax));
  return drawn;
}

budget::Request RandomMessage::request() {
  return static_cast<budget::Request>(1U << integer(0, 2));
}

std::vector<NumberedRequest> RandomMessage::requests() {
  std::vector<NumberedRequest> requests;
  for (std::int64_t n = integer(0, 4); n > 0; --n)
    requests.push_back({.number = integer(1, kMax), .request = request()});
  return requests;
}

template <>
Registration RandomMessage::draw<Registration>() {
  Registration message{.run = run(),
                       .process = process(),
                       .host = text(256),
                       .process_id = integer(0, kMax),
                       .seen_term = integer(0, kMax),
                       .governor = {},
                       .metrics_address = address()};
  if (coin())
    message.governor = GovernorReport{.next_step = Step{integer(0, kMax)}, .changes = changes()};
  return message;
}

template <>
Admission RandomMessage::draw<Admission>() {
  return {.term = integer(0, kMax),
          .last_record = Step{integer(-1, kMax)},
          .heartbeat_seconds = static_cast<double>(integer(1, 3'600'000)) / 1000.0};
}

template <>
Heartbeat RandomMessage::draw<Heartbeat>() {
  return {.run_id = text(256), .process = process(), .term = integer(0, kMax), .place = place()};
}

template <>
HeartbeatReply RandomMessage::draw<HeartbeatReply>() {
  return {.term = integer(0, kMax), .verdict = text(4096)};
}

template <>
RecordReport RandomMessage::draw<RecordReport>() {
  RecordReport message{.run_id = text(256),
                       .process = process(),
                       .term = integer(0, kMax),
                       .records = {},
                       .held_revision = integer(0, kMax),
                       .held_request = integer(0, kMax)};
  for (std::int64_t n = integer(0, 3); n > 0; --n) message.records.push_back(record());
  return message;
}

template <>
RecordReply RandomMessage::draw<RecordReply>() {
  return {.term = integer(0, kMax),
          .durable = Step{integer(-1, kMax)},
          .changes = changes(),
          .requests = requests()};
}

template <>
Farewell RandomMessage::draw<Farewell>() {
  return {.run_id = text(256),
          .process = process(),
          .term = integer(0, kMax),
          .departure = static_cast<Departure>(integer(0, 2)),
          .reason = text(4096)};
}

template <>
Empty RandomMessage::draw<Empty>() {
  return {};
}

template <>
StatusRequest RandomMessage::draw<StatusRequest>() {
  return {};
}

template <>
Status RandomMessage::draw<Status>() {
  Status message{.run = run(),
                 .term = integer(0, kMax),
                 .started_unix_seconds = integer(0, kMax),
                 .last_record = Step{integer(-1, kMax)},
                 .step_seconds = number(),
                 .members = {},
                 .budget = {.in_force = set_points(),
                            .planned = changes(),
                            .last_word = {},
                            .used = number(),
                            .window_error_ratio = number(),
                            .window_rms_ratio = number(),
                            .window_steps = static_cast<int>(integer(0, 1000)),
                            .executed_L = by_layer(),
                            .soft_mass_L = by_layer(),
                            .boundary_mass_L = by_layer()},
                 .audit = {.agreed = integer(0, kMax),
                           .disagreed = integer(0, kMax),
                           .unaudited = integer(0, kMax)},
                 .pending_requests = requests(),
                 .verdict = text(4096),
                 .alarms = {}};
  if (coin()) message.budget.last_word = word();
  for (std::int64_t n = integer(0, 4); n > 0; --n) {
    message.members.push_back({.rank = process().rank,
                               .state = static_cast<MemberState>(integer(0, 3)),
                               .host = text(256),
                               .process_id = integer(0, kMax),
                               .incarnations = integer(0, kMax),
                               .place = place(),
                               .seconds_since_heartbeat = number(),
                               .metrics_address = address()});
    message.alarms.push_back({.kind = static_cast<AlarmKind>(integer(0, kNumAlarmKinds - 1)),
                              .unix_seconds = integer(0, kMax),
                              .step = Step{integer(-1, kMax)},
                              .text = text(4096)});
  }
  for (std::int64_t& count : message.alarm_counts) count = integer(0, kMax);
  for (std::int64_t& count : message.refusals) count = integer(0, kMax);
  return message;
}

template <>
ChangeOrder RandomMessage::draw<ChangeOrder>() {
  ChangeOrder message;
  if (coin()) message.effective_from = Step{integer(0, kMax)};
  if (coin()) message.budget = number();
  if (coin()) message.mode = static_cast<budget::Mode>(integer(0, 2));
  if (coin()) message.layer_cost_L = by_layer();
  if (coin()) message.layer_min_L = by_layer();
  if (coin()) message.layer_max_L = by_layer();
  if (coin()) message.temperature = temperature();
  return message;
}

template <>
ChangeReply RandomMessage::draw<ChangeReply>() {
  ChangeReply message{
      .change = {.effective_from = Step{integer(0, kMax)}, .set_points = set_points()},
      .replaced = {},
      .before = {}};
  for (std::int64_t n = integer(0, 4); n > 0; --n) message.replaced.push_back(integer(0, kMax));
  if (coin()) message.before = set_points();
  return message;
}

template <>
RequestOrder RandomMessage::draw<RequestOrder>() {
  return {.request = request()};
}

template <>
NumberedRequest RandomMessage::draw<NumberedRequest>() {
  return {.number = integer(1, kMax), .request = request()};
}

}  // namespace softmoe::coordinator
