#include "budget/temperature.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace softmoe::budget {
namespace {

constexpr double kRate = 0.05;
constexpr double kSaturatedSoftness = 0.98;

double cosine(double start, double end, Step step, const Temperature& schedule) {
  const auto passed = static_cast<double>(step.value - schedule.first_step);
  const double done = std::clamp(passed / static_cast<double>(schedule.num_steps), 0.0, 1.0);
  return end + 0.5 * (start - end) * (1.0 + std::cos(std::numbers::pi * done));
}

bool is_positive(double value) {
  return std::isfinite(value) && value > 0.0;
}

bool is_share(double value) {
  return value > 0.0 && value < 1.0;
}

}  // namespace

double planned_alpha(const Temperature& schedule, Step step) {
  if (schedule.kind == TemperatureKind::cosine) {
    return cosine(schedule.start, schedule.end, step, schedule);
  }
  return schedule.start;
}

double next_alpha(const Temperature& schedule, Step step, double alpha, const Softness& seen) {
  if (schedule.kind != TemperatureKind::boundary_mass) return planned_alpha(schedule, step);
  const double softness = seen.boundary_mass / seen.soft_mass;
  const bool may_move = std::abs(seen.budget_error_ratio) < kMaxBudgetErrorToMove;
  if (!may_move || softness > kSaturatedSoftness) return alpha;

  const double target = cosine(schedule.start_softness, schedule.end_softness, step, schedule);
  const double factor = std::exp(-kRate * (softness - target));
  return std::clamp(alpha * std::clamp(factor, 1.0 - kMaxAlphaMove, 1.0 + kMaxAlphaMove),
                    schedule.floor, schedule.ceiling);
}

std::optional<std::string> find_fault(const Temperature& schedule) {
  if (!is_positive(schedule.start) || !is_positive(schedule.end)) {
    return fmt::format("the temperature goes from {} to {}; both must be above 0", schedule.start,
                       schedule.end);
  }
  if (schedule.first_step < 0) {
    return fmt::format("the temperature changes from step {} on; steps begin at 0",
                       schedule.first_step);
  }
  if (schedule.num_steps < 1) {
    return fmt::format("the temperature changes over {} steps; at least 1", schedule.num_steps);
  }
  if (schedule.kind != TemperatureKind::boundary_mass) return std::nullopt;
  if (!is_share(schedule.start_softness) || !is_share(schedule.end_softness)) {
    return fmt::format("the softness W/k is asked to go from {} to {}; both must be inside (0, 1)",
                       schedule.start_softness, schedule.end_softness);
  }
  if (!is_positive(schedule.floor) || !std::isfinite(schedule.ceiling) ||
      schedule.floor > schedule.start || schedule.start > schedule.ceiling) {
    return fmt::format("the temperature starts at {}, outside its bounds [{}, {}]", schedule.start,
                       schedule.floor, schedule.ceiling);
  }
  return std::nullopt;
}

}  // namespace softmoe::budget
