#include "coordinator/run_plan_check.h"

#include <fmt/core.h>

#include <cmath>
#include <initializer_list>
#include <utility>
#include <vector>

namespace softmoe::coordinator {
namespace {

using budget::SetPoints;
using budget::Temperature;

// Room for every step of a run of 2^28, far below where adding could overflow.
constexpr std::int64_t kMaxCount = std::int64_t{1} << 52;

std::optional<std::string> find_fault_in_length(const char* what, const std::vector<double>& list_L,
                                                int num_layers) {
  if (list_L.empty() || std::cmp_equal(list_L.size(), num_layers)) return std::nullopt;
  return fmt::format("{} has {} numbers, but the model has {} layers with experts; give {} or none",
                     what, list_L.size(), num_layers, num_layers);
}

std::optional<std::string> find_fault_in_bounds(const SetPoints& set_points, const RunPlan& plan) {
  const bool is_weighted = !set_points.layer_cost_L.empty() && set_points.mode != budget::Mode::off;
  if (!is_weighted && set_points.layer_min_L.empty() && set_points.layer_max_L.empty()) {
    return std::nullopt;
  }
  return budget::refuse_layer_bounds(set_points.budget,
                                     {.num_layers = plan.range.num_layers,
                                      .floor = plan.range.floor,
                                      .cap = plan.range.cap_sum / plan.range.num_layers,
                                      .cost_L = set_points.layer_cost_L,
                                      .least_L = set_points.layer_min_L,
                                      .most_L = set_points.layer_max_L});
}

std::optional<std::string> find_fault_in_numbers(const SetPoints& set_points) {
  const Temperature& temperature = set_points.temperature;
  for (const double number : {temperature.start_softness, temperature.end_softness,
                              temperature.floor, temperature.ceiling}) {
    if (!std::isfinite(number)) return fmt::format("the temperature holds {}", number);
  }
  if (set_points.revision < 0 || set_points.revision > kMaxCount || set_points.term < 0 ||
      set_points.term > kMaxCount) {
    return fmt::format("revision {} of term {}; both are in [0, 2^52]", set_points.revision,
                       set_points.term);
  }
  return std::nullopt;
}

std::optional<std::string> find_fault_in_changes(const std::vector<budget::SetPointChange>& changes,
                                                 const RunPlan& plan) {
  if (changes.empty()) return "no set-points at all";
  if (changes.front().effective_from != Step{0}) {
    return fmt::format("the initial set-points begin at step {}, not 0",
                       changes.front().effective_from.value);
  }
  for (std::size_t i = 0; i < changes.size(); ++i) {
    const std::int64_t revision = changes[i].set_points.revision;
    if (auto fault = find_fault(changes[i].set_points, plan)) {
      return fmt::format("revision {}: {}", revision, *fault);
    }
    if (changes[i].effective_from.value > kMaxCount) {
      return fmt::format("revision {} begins at step {}", revision,
                         changes[i].effective_from.value);
    }
    if (i == 0) continue;
    if (revision <= changes[i - 1].set_points.revision ||
        changes[i].effective_from < changes[i - 1].effective_from) {
      return fmt::format("revision {} from step {} follows revision {} from step {}; both rise",
                         revision, changes[i].effective_from.value,
                         changes[i - 1].set_points.revision, changes[i - 1].effective_from.value);
    }
  }
  return std::nullopt;
}

bool same(const Temperature& a, const Temperature& b) {
  return a.kind == b.kind && a.start == b.start && a.end == b.end && a.first_step == b.first_step &&
         a.num_steps == b.num_steps && a.start_softness == b.start_softness &&
         a.end_softness == b.end_softness && a.floor == b.floor && a.ceiling == b.ceiling;
}

bool same(const budget::ServoGains& a, const budget::ServoGains& b) {
  return a.delay == b.delay && a.newton == b.newton && a.debt == b.debt &&
         a.max_step == b.max_step && a.max_repayment_ratio == b.max_repayment_ratio &&
         a.gain_smoothing == b.gain_smoothing && a.min_gain_ratio == b.min_gain_ratio;
}

}  // namespace

bool ask_for_the_same(const SetPoints& a, const SetPoints& b) {
  return a.budget == b.budget && a.mode == b.mode && a.initial_lambda == b.initial_lambda &&
         a.min_lambda == b.min_lambda && a.max_lambda == b.max_lambda &&
         a.layer_cost_L == b.layer_cost_L && a.layer_min_L == b.layer_min_L &&
         a.layer_max_L == b.layer_max_L && same(a.gains, b.gains) &&
         same(a.temperature, b.temperature);
}

std::optional<std::string> find_fault(const SetPoints& set_points, const RunPlan& plan) {
  if (auto fault = budget::find_fault(set_points)) return fault;
  if (auto fault = find_fault_in_numbers(set_points)) return fault;
  if (set_points.gains.delay != budget::kTrainerDelay) {
    return fmt::format("the servo has a delay of {} steps, and this trainer one of {}",
                       set_points.gains.delay, budget::kTrainerDelay);
  }
  if (set_points.mode == budget::Mode::quota && plan.quota_fault) return plan.quota_fault;
  const int layers = plan.shape.num_layers;
  if (auto fault = find_fault_in_length("layer_cost", set_points.layer_cost_L, layers)) {
    return fault;
  }
  if (auto fault = find_fault_in_length("layer_min", set_points.layer_min_L, layers)) return fault;
  if (auto fault = find_fault_in_length("layer_max", set_points.layer_max_L, layers)) return fault;
  // The range counts executions; a budget of weighted ones is held against weighted bounds below.
  if (set_points.mode != budget::Mode::off && set_points.layer_cost_L.empty()) {
    if (auto fault = budget::refuse_budget(set_points.budget, plan.range)) return fault;
  }
  return find_fault_in_bounds(set_points, plan);
}

std::optional<std::string> find_fault(const RunPlan& plan) {
  if (plan.identity.world < 1) return fmt::format("a world of {} ranks", plan.identity.world);
  if (plan.identity.run_id.empty()) return "no run id";
  if (plan.shape.num_layers < 1 || plan.shape.num_experts < 1) {
    return fmt::format("{} layers of {} experts", plan.shape.num_layers, plan.shape.num_experts);
  }
  return find_fault_in_changes(plan.changes, plan);
}

std::optional<std::string> find_fault(const GovernorReport& report, const RunPlan& plan) {
  if (report.next_step.value < 0 || report.next_step.value > kMaxCount) {
    return fmt::format("the next step is {}", report.next_step.value);
  }
  return find_fault_in_changes(report.changes, plan);
}

std::optional<std::string> find_fault(const AuditedRecord& audited, const RunPlan& plan) {
  const budget::StepRecord& record = audited.record;
  if (auto fault = budget::find_fault(record, plan.shape)) return fault;
  for (std::size_t layer = 0; layer < record.executed_L.size(); ++layer) {
    if (record.executed_L[layer] / record.tokens < plan.range.floor) {
      return fmt::format(
          "record of step {}: layer {} executed {} rows, fewer than {} tokens with a floor of {}",
          record.step().value, layer, record.executed_L[layer], record.tokens, plan.range.floor);
    }
  }
  const budget::ControllerState& before = audited.before;
  for (const double number : {before.lambda, before.alpha, before.debt, before.gain}) {
    if (!std::isfinite(number)) {
      return fmt::format("record of step {}: the controller held {} before it", record.step().value,
                         number);
    }
  }
  if (before.last_record >= record.step()) {
    return fmt::format("record of step {}: the controller had seen the record of step {} before it",
                       record.step().value, before.last_record.value);
  }
  return std::nullopt;
}

}  // namespace softmoe::coordinator
