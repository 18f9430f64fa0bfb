#include "coordinator/wire_parts.h"

#include <limits>

#include "coordinator/wire.h"
#include "coordinator/wire_fields.h"

namespace softmoe::coordinator::wire {
namespace {

constexpr int kMaxInt = std::numeric_limits<int>::max();
constexpr int kNumModes = 3;
constexpr int kNumTemperatures = 3;
constexpr std::uint32_t kAllRequests = 7;

v1::Mode kind_of(budget::Mode mode) {
  return static_cast<v1::Mode>(mode);
}

void put_gains(const budget::ServoGains& gains, v1::ServoGains& out) {
  out.set_delay(gains.delay);
  out.set_newton(gains.newton);
  out.set_debt(gains.debt);
  out.set_max_step(gains.max_step);
  out.set_max_repayment_ratio(gains.max_repayment_ratio);
  out.set_gain_smoothing(gains.gain_smoothing);
  out.set_min_gain_ratio(gains.min_gain_ratio);
}

budget::ServoGains take_gains(const v1::ServoGains& in) {
  return {.delay = static_cast<int>(integer("gains.delay", in.delay(), 0, kMaxInt)),
          .newton = number("gains.newton", in.newton()),
          .debt = number("gains.debt", in.debt()),
          .max_step = number("gains.max_step", in.max_step()),
          .max_repayment_ratio = number("gains.max_repayment_ratio", in.max_repayment_ratio()),
          .gain_smoothing = number("gains.gain_smoothing", in.gain_smoothing()),
          .min_gain_ratio = number("gains.min_gain_ratio", in.min_gain_ratio())};
}

void put_state(const budget::ControllerState& state, v1::ControllerState& out) {
  out.set_lambda(state.lambda);
  out.set_alpha(state.alpha);
  out.set_debt(state.debt);
  out.set_gain(state.gain);
  out.set_last_record(state.last_record.value);
}

budget::ControllerState take_state(const v1::ControllerState& in) {
  return {.lambda = number("before.lambda", in.lambda()),
          .alpha = number("before.alpha", in.alpha()),
          .debt = number("before.debt", in.debt()),
          .gain = number("before.gain", in.gain()),
          .last_record = Step{step_or_none("before.last_record", in.last_record())}};
}

void put_record(const budget::StepRecord& record, v1::StepRecord& out) {
  put(record.in_force, *out.mutable_in_force());
  out.set_tokens(record.tokens);
  out.mutable_executed()->Add(record.executed_L.begin(), record.executed_L.end());
  set_by_layer(*out.mutable_gain(), record.gain_L);
  set_by_layer(*out.mutable_boundary_mass(), record.boundary_mass_L);
  set_by_layer(*out.mutable_soft_mass(), record.soft_mass_L);
}

budget::StepRecord take_record(const v1::StepRecord& in) {
  present("record.in_force", in.has_in_force());
  bounded("record.executed", in.executed_size(), kMaxLayers);
  for (const std::int64_t rows : in.executed()) count("record.executed", rows);
  return {.in_force = take(in.in_force()),
          .tokens = count("record.tokens", in.tokens()),
          .executed_L = {in.executed().begin(), in.executed().end()},
          .gain_L = by_layer("record.gain", in.gain()),
          .boundary_mass_L = by_layer("record.boundary_mass", in.boundary_mass()),
          .soft_mass_L = by_layer("record.soft_mass", in.soft_mass())};
}

}  // namespace

void put(const RunIdentity& run, v1::RunIdentity& out) {
  out.set_run_id(sendable(run.run_id, kMaxIdentifierBytes));
  out.set_version(sendable(run.version, kMaxIdentifierBytes));
  out.set_config_hash(sendable(run.config_hash, kMaxIdentifierBytes));
  out.set_world(run.world);
}

RunIdentity take(const v1::RunIdentity& in) {
  return {.run_id = identifier("run.run_id", in.run_id()),
          .version = identifier("run.version", in.version()),
          .config_hash = identifier("run.config_hash", in.config_hash()),
          .world = static_cast<int>(integer("run.world", in.world(), 1, kMaxWorld))};
}

void put(const RankProcess& process, v1::RankProcess& out) {
  out.set_rank(process.rank.value);
  out.set_incarnation(process.incarnation);
}

RankProcess take(const v1::RankProcess& in) {
  if (in.incarnation() == 0) refuse("process.incarnation", "0", "drawn at random");
  return {.rank = Rank{static_cast<int>(integer("process.rank", in.rank(), 0, kMaxWorld - 1))},
          .incarnation = in.incarnation()};
}

void put(const Progress::Place& place, v1::Place& out) {
  out.set_step(place.step.value);
  out.set_phase(static_cast<v1::Phase>(place.phase));
  out.set_layer(place.layer);
  out.set_operation(place.operation);
}

Progress::Place take(const v1::Place& in) {
  return {.step = Step{count("place.step", in.step())},
          .phase = kind<Phase>("place.phase", in.phase(), kNumPhases),
          .layer = static_cast<int>(integer("place.layer", in.layer(), 0, kMaxInt)),
          .operation = count("place.operation", in.operation())};
}

void put(const budget::Temperature& temperature, v1::Temperature& out) {
  out.set_kind(static_cast<v1::TemperatureKind>(temperature.kind));
  out.set_start(temperature.start);
  out.set_end(temperature.end);
  out.set_first_step(temperature.first_step);
  out.set_num_steps(temperature.num_steps);
  out.set_start_softness(temperature.start_softness);
  out.set_end_softness(temperature.end_softness);
  out.set_floor(temperature.floor);
  out.set_ceiling(temperature.ceiling);
}

budget::Temperature take(const v1::Temperature& in) {
  return {.kind = kind<budget::TemperatureKind>("temperature.kind", in.kind(), kNumTemperatures),
          .start = number("temperature.start", in.start()),
          .end = number("temperature.end", in.end()),
          .first_step = count("temperature.first_step", in.first_step()),
          .num_steps = count("temperature.num_steps", in.num_steps()),
          .start_softness = number("temperature.start_softness", in.start_softness()),
          .end_softness = number("temperature.end_softness", in.end_softness()),
          .floor = number("temperature.floor", in.floor()),
          .ceiling = number("temperature.ceiling", in.ceiling())};
}

void put(const budget::SetPoints& set_points, v1::SetPoints& out) {
  out.set_budget(set_points.budget);
  out.set_mode(kind_of(set_points.mode));
  out.set_initial_lambda(set_points.initial_lambda);
  out.set_min_lambda(set_points.min_lambda);
  out.set_max_lambda(set_points.max_lambda);
  set_by_layer(*out.mutable_layer_cost(), set_points.layer_cost_L);
  set_by_layer(*out.mutable_layer_min(), set_points.layer_min_L);
  set_by_layer(*out.mutable_layer_max(), set_points.layer_max_L);
  put_gains(set_points.gains, *out.mutable_gains());
  put(set_points.temperature, *out.mutable_temperature());
  out.set_revision(set_points.revision);
  out.set_term(set_points.term);
}

budget::SetPoints take(const v1::SetPoints& in) {
  present("set_points.gains", in.has_gains());
  present("set_points.temperature", in.has_temperature());
  return {.budget = number("set_points.budget", in.budget()),
          .mode = kind<budget::Mode>("set_points.mode", in.mode(), kNumModes),
          .initial_lambda = number("set_points.initial_lambda", in.initial_lambda()),
          .min_lambda = number("set_points.min_lambda", in.min_lambda()),
          .max_lambda = number("set_points.max_lambda", in.max_lambda()),
          .layer_cost_L = by_layer("set_points.layer_cost", in.layer_cost()),
          .layer_min_L = by_layer("set_points.layer_min", in.layer_min()),
          .layer_max_L = by_layer("set_points.layer_max", in.layer_max()),
          .gains = take_gains(in.gains()),
          .temperature = take(in.temperature()),
          .revision = count("set_points.revision", in.revision()),
          .term = count("set_points.term", in.term())};
}

void put(const budget::SetPointChange& change, v1::SetPointChange& out) {
  out.set_effective_from(change.effective_from.value);
  put(change.set_points, *out.mutable_set_points());
}

budget::SetPointChange take(const v1::SetPointChange& in) {
  present("change.set_points", in.has_set_points());
  return {.effective_from = Step{count("change.effective_from", in.effective_from())},
          .set_points = take(in.set_points())};
}

void put(const std::vector<budget::SetPointChange>& changes, RepeatedChanges& out) {
  for (const auto& change : changes) put(change, *out.Add());
}

std::vector<budget::SetPointChange> take(const RepeatedChanges& in) {
  bounded("changes", in.size(), kMaxListed);
  std::vector<budget::SetPointChange> changes;
  changes.reserve(static_cast<std::size_t>(in.size()));
  for (const auto& change : in) {
    changes.push_back(take(change));
    const std::int64_t revision = changes.back().set_points.revision;
    if (changes.size() > 1 && revision < changes[changes.size() - 2].set_points.revision)
      refuse("changes", "out of order", "ascending in revision");
  }
  return changes;
}

void put(const NumberedRequest& request, v1::NumberedRequest& out) {
  out.set_number(request.number);
  out.set_request(static_cast<v1::Request>(request.request));
}

NumberedRequest take(const v1::NumberedRequest& in) {
  return {.number = integer("request.number", in.number(), 1), .request = request_of(in.request())};
}

void put(const std::vector<NumberedRequest>& requests, RepeatedRequests& out) {
  for (const auto& request : requests) put(request, *out.Add());
}

std::vector<NumberedRequest> take(const RepeatedRequests& in) {
  bounded("requests", in.size(), kMaxListed);
  std::vector<NumberedRequest> requests;
  requests.reserve(static_cast<std::size_t>(in.size()));
  for (const auto& request : in) requests.push_back(take(request));
  return requests;
}

void put(const budget::ControlWord& word, v1::ControlWord& out) {
  out.set_step(word.step.value);
  out.set_revision(word.revision);
  out.set_term(word.term);
  out.set_lambda(word.lambda);
  out.set_alpha(word.alpha);
  out.set_budget(word.budget);
  out.set_mode(kind_of(word.mode));
  out.set_requests(word.requests);
}

budget::ControlWord take(const v1::ControlWord& in) {
  return {.step = Step{count("word.step", in.step())},
          .revision = count("word.revision", in.revision()),
          .term = count("word.term", in.term()),
          .lambda = number("word.lambda", in.lambda()),
          .alpha = number("word.alpha", in.alpha()),
          .budget = number("word.budget", in.budget()),
          .mode = kind<budget::Mode>("word.mode", in.mode(), kNumModes),
          .requests =
              static_cast<std::uint32_t>(integer("word.requests", in.requests(), 0, kAllRequests))};
}

void put(const AuditedRecord& record, v1::AuditedRecord& out) {
  put_record(record.record, *out.mutable_record());
  put_state(record.before, *out.mutable_before());
}

AuditedRecord take(const v1::AuditedRecord& in) {
  present("records.record", in.has_record());
  present("records.before", in.has_before());
  return {.record = take_record(in.record()), .before = take_state(in.before())};
}

budget::Request request_of(int value) {
  if (value != 1 && value != 2 && value != 4)
    refuse("request", std::to_string(value), "1 (save), 2 (drain) or 4 (stop)");
  return static_cast<budget::Request>(value);
}

}  // namespace softmoe::coordinator::wire
