#include "coordinator/budget_watch.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "budget/quota.h"

namespace softmoe::coordinator {
namespace {

// An excursion ends when the error is back at this share of its limit.
constexpr double kReturn = 0.5;

// Beyond, a quota cannot be told to the row (budget/quota.h).
constexpr double kMostGranted = 0x1p51;

bool is_of_cost_one(const std::vector<double>& layer_cost_L) {
  return std::all_of(layer_cost_L.begin(), layer_cost_L.end(),
                     [](double cost) { return cost == 1.0; });
}

}  // namespace

void BudgetWatch::restart() {
  held_.reset();
  window_.clear();
}

double BudgetWatch::mean_error_ratio() const {
  if (window_.empty()) return 0.0;
  double sum = 0.0;
  for (const Sample& sample : window_) sum += sample.error_ratio;
  return sum / static_cast<double>(window_.size());
}

double BudgetWatch::rms_error_ratio() const {
  if (window_.empty()) return 0.0;
  double sum = 0.0;
  for (const Sample& sample : window_) sum += sample.error_ratio * sample.error_ratio;
  return std::sqrt(sum / static_cast<double>(window_.size()));
}

std::optional<Finding> BudgetWatch::judge_mean(Step step) {
  double sum = 0.0;
  for (const Sample& sample : window_) sum += std::abs(sample.error_ratio);
  const double off = sum / static_cast<double>(window_.size());
  const double limit = config_.max_window_error_ratio;
  if (is_off_budget_ && off <= kReturn * limit) is_off_budget_ = false;
  if (is_off_budget_ || off <= limit) return std::nullopt;
  is_off_budget_ = true;
  return Finding{AlarmKind::budget_missed, step,
                 fmt::format("over the {} steps up to {} the executed cost was {:+.2f} % off the "
                             "budget of {}, mean distance {:.2f} %, rms {:.2f} %; the limit of the "
                             "distance is {:.2f} %",
                             window_.size(), step.value, 100 * mean_error_ratio(), held_->budget,
                             100 * off, 100 * rms_error_ratio(), 100 * limit)};
}

std::optional<Finding> BudgetWatch::judge_layers(Step step, const budget::SetPoints& set_points) {
  const std::vector<double>& min_L = set_points.layer_min_L;
  const std::vector<double>& max_L = set_points.layer_max_L;
  std::string outside;
  const std::size_t num_layers = window_.back().executed_L.size();
  for (std::size_t layer = 0; layer < num_layers; ++layer) {
    double mean = 0.0;
    for (const Sample& sample : window_) mean += sample.executed_L[layer];
    mean /= static_cast<double>(window_.size());
    // Half a row would be exact; a layer that quota rounds may be a whole one off.
    const double slack = window_.back().row_per_token;
    const bool is_below = layer < min_L.size() && mean < min_L[layer] - slack;
    const bool is_above = layer < max_L.size() && mean > max_L[layer] + slack;
    if (!is_below && !is_above) continue;
    outside += fmt::format("{}layer {} executed {:.3f} per token and is to stay {} {}",
                           outside.empty() ? "" : ", ", layer, mean,
                           is_below ? "at or above" : "at or below",
                           is_below ? min_L[layer] : max_L[layer]);
  }
  const bool was_off = std::exchange(is_off_bounds_, !outside.empty());
  if (was_off || outside.empty()) return std::nullopt;
  return Finding{AlarmKind::layer_bounds, step,
                 fmt::format("the {} steps up to {}: {}", window_.size(), step.value, outside)};
}

std::optional<Finding> BudgetWatch::judge_quota(const budget::StepRecord& record,
                                                const budget::SetPoints& set_points) {
  if (set_points.mode != budget::Mode::quota || !is_of_cost_one(set_points.layer_cost_L)) {
    return std::nullopt;
  }
  const auto num_steps = static_cast<double>(record.step().value + 1);
  const double granted = set_points.budget * static_cast<double>(record.tokens) * num_steps;
  if (!(granted < kMostGranted)) return std::nullopt;
  const std::int64_t quota = budget::quota_of_step(set_points.budget, record.step(), record.tokens);
  const std::int64_t executed =
      std::accumulate(record.executed_L.begin(), record.executed_L.end(), std::int64_t{0});
  const bool was_off = std::exchange(is_off_quota_, executed != quota);
  if (was_off || executed == quota) return std::nullopt;
  return Finding{AlarmKind::budget_missed, record.step(),
                 fmt::format("step {} executed {} rows, and its quota is exactly {}",
                             record.step().value, executed, quota)};
}

std::vector<Finding> BudgetWatch::observe(const budget::StepRecord& record,
                                          const budget::SetPoints& set_points) {
  Held now{set_points.budget, set_points.mode, set_points.layer_cost_L};
  if (held_ != now) {
    held_ = std::move(now);
    window_.clear();
    num_settling_ = set_points.mode == budget::Mode::servo ? kSettlingSteps : 0;
  }
  std::vector<Finding> findings;
  if (set_points.mode == budget::Mode::off) return findings;
  if (auto finding = judge_quota(record, set_points)) findings.push_back(*std::move(finding));
  if (num_settling_ > 0) {
    --num_settling_;
    return findings;
  }

  const double used = budget::used_per_token(record, set_points.layer_cost_L);
  const auto tokens = static_cast<double>(record.tokens);
  Sample sample{.error_ratio = (used - set_points.budget) / set_points.budget,
                .row_per_token = 1.0 / tokens,
                .executed_L = {}};
  for (const std::int64_t rows : record.executed_L) {
    sample.executed_L.push_back(static_cast<double>(rows) / tokens);
  }
  window_.push_back(std::move(sample));
  if (std::cmp_greater(window_.size(), config_.window_steps)) window_.pop_front();
  if (std::cmp_less(window_.size(), config_.window_steps)) return findings;

  if (auto finding = judge_mean(record.step())) findings.push_back(*std::move(finding));
  if (auto finding = judge_layers(record.step(), set_points)) {
    findings.push_back(*std::move(finding));
  }
  return findings;
}

}  // namespace softmoe::coordinator
