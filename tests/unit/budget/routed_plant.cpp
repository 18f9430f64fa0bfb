#include "tests/unit/budget/routed_plant.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <deque>
#include <span>

#include "budget/controller.h"
#include "runtime/base/philox.h"

namespace softmoe::budget {
namespace {

constexpr int kE = RoutedPlant::kNumExperts;

double inverse_cdf(double p) {
  return p <= 0.5 ? std::log(2.0 * p) : -std::log(2.0 * (1.0 - p));
}

double spread_at(Step step) {
  const double done = std::min(
      1.0, static_cast<double>(step.value) / static_cast<double>(RoutedPlant::kNumSharpeningSteps));
  return 0.5 + (3.0 - 0.5) * done;
}

/// In units of alpha.
std::array<double, kE> draw_scores(Step step, int layer, int token, double alpha) {
  const RandomKey key{.seed = 1717,
                      .purpose = RandomPurpose::test,
                      .step = static_cast<std::uint32_t>(step.value),
                      .layer = static_cast<std::uint32_t>(layer)};
  std::array<double, kE> score_E;
  for (int expert = 0; expert < kE; expert += 4) {
    const auto words = philox(key, static_cast<std::uint64_t>(token), expert / 4);
    const auto first = normal_from(words[0], words[1]);
    const auto second = normal_from(words[2], words[3]);
    std::copy_n(first.begin(), 2, score_E.begin() + expert);
    std::copy_n(second.begin(), 2, score_E.begin() + expert + 2);
  }
  for (double& score : score_E) score *= spread_at(step) / alpha;
  return score_E;
}

/// The b with sum F(score - b) = k: Newton's method, kept inside a bracket by bisection.
double solve_lapsum(const std::array<double, kE>& score_E, double k) {
  std::array<double, kE> up_E;
  std::array<double, kE> down_E;
  for (int expert = 0; expert < kE; ++expert) {
    up_E[expert] = 0.5 * std::exp(score_E[expert]);
    down_E[expert] = 0.25 / up_E[expert];
  }
  const auto [lowest, highest] = std::minmax_element(score_E.begin(), score_E.end());
  double low = *lowest - inverse_cdf(k / kE);
  double high = *highest - inverse_cdf(k / kE);
  double b = 0.5 * (low + high);
  for (double step = 1.0; std::abs(step) > 1e-10;) {
    const double rise = std::exp(b);
    const double fall = 1.0 / rise;
    double sum = 0.0;
    double density = 0.0;
    for (int expert = 0; expert < kE; ++expert) {
      const bool is_above = score_E[expert] > b;
      const double tail = is_above ? rise * down_E[expert] : fall * up_E[expert];
      sum += is_above ? 1.0 - tail : tail;
      density += tail;
    }
    (sum > k ? low : high) = b;
    const double newton = b + (sum - k) / density;
    const double next = newton > low && newton < high ? newton : 0.5 * (low + high);
    step = next - b;
    b = next;
  }
  return b;
}

}  // namespace

RoutedPlant::RoutedPlant()
    : boundary_mass_L_(kNumLayers), u_LTE_(std::size_t{kNumLayers} * kNumTokens * kNumExperts) {
  for (int layer = 0; layer < kNumLayers; ++layer) {
    soft_mass_L_.push_back(1.2 + (3.0 - 1.2) * layer / (kNumLayers - 1));
  }
}

void RoutedPlant::draw(Step step, double alpha) {
  auto u = u_LTE_.begin();
  for (int layer = 0; layer < kNumLayers; ++layer) {
    double boundary_mass = 0.0;
    for (int token = 0; token < kNumTokens; ++token) {
      const std::array<double, kE> score_E = draw_scores(step, layer, token, alpha);
      const double b = solve_lapsum(score_E, soft_mass_L_[layer]);
      for (const double score : score_E) {
        *u++ = score - b;
        boundary_mass += 0.5 * std::exp(-std::abs(score - b));
      }
    }
    boundary_mass_L_[layer] = boundary_mass / kNumTokens;
  }
}

StepRecord RoutedPlant::run(const ControlWord& word) const {
  constexpr double kHalfWidth = 0.25;
  const double surface = inverse_cdf(kTruncation) + word.lambda;
  StepRecord record{.in_force = word,
                    .tokens = kNumTokens,
                    .executed_L = {},
                    .gain_L = {},
                    .boundary_mass_L = boundary_mass_L_,
                    .soft_mass_L = soft_mass_L_};
  for (int layer = 0; layer < kNumLayers; ++layer) {
    std::int64_t executed = 0;
    std::int64_t near_surface = 0;
    for (int token = 0; token < kNumTokens; ++token) {
      const std::span<const double> u_E(
          u_LTE_.data() + (std::ptrdiff_t{layer} * kNumTokens + token) * kE, kE);
      std::int64_t above = 0;
      for (const double u : u_E) {
        above += u > surface ? 1 : 0;
        near_surface += std::abs(u - surface) <= kHalfWidth ? 1 : 0;
      }
      executed += std::max<std::int64_t>(above, 1);
    }
    record.executed_L.push_back(executed);
    record.gain_L.push_back(static_cast<double>(near_surface) / (2.0 * kHalfWidth * kNumTokens));
  }
  return record;
}

double History::mean_error() const {
  double sum = 0.0;
  for (const double error : error_ratio) sum += error;
  return sum / static_cast<double>(error_ratio.size());
}

double History::rms_error_of_last(int num_steps) const {
  double sum = 0.0;
  for (const double error : std::span(error_ratio).last(num_steps)) sum += error * error;
  return std::sqrt(sum / num_steps);
}

namespace {

/// Lets one step happen under `word`.
Decision take_step(const RoutedPlant& plant, const Loop& loop, const ControllerState& state,
                   const ControlWord& word, History& history) {
  const SetPoints& set_points = loop.set_points;
  StepRecord record = plant.run(word);
  for (double& gain : record.gain_L) gain *= loop.gain_error;
  Decision decision = decide(state, record, set_points);
  history.words.push_back(word);
  history.error_ratio.push_back(
      (used_per_token(record, set_points.layer_cost_L) - set_points.budget) / set_points.budget);
  history.records.push_back(std::move(record));
  return decision;
}

}  // namespace

std::vector<History> simulate(const std::vector<Loop>& loops, int num_steps) {
  RoutedPlant plant;
  std::vector<History> histories(loops.size());
  std::vector<ControllerState> states;
  std::vector<std::deque<ControlWord>> decided(loops.size());
  for (std::size_t i = 0; i < loops.size(); ++i) {
    states.push_back(initial_state(loops[i].set_points));
    for (int step = 0; step < loops[i].delay; ++step) {
      decided[i].push_back(word_for(Step{step}, states[i], loops[i].set_points));
    }
  }
  for (int step = 0; step < num_steps; ++step) {
    plant.draw(Step{step});
    for (std::size_t i = 0; i < loops.size(); ++i) {
      ControlWord word = decided[i].front();
      decided[i].pop_front();
      word.step = Step{step};
      const Decision decision = take_step(plant, loops[i], states[i], word, histories[i]);
      states[i] = decision.state;
      decided[i].push_back(decision.word);
    }
  }
  return histories;
}

History simulate_with_temperature(const Loop& loop, int num_steps) {
  RoutedPlant plant;
  History history;
  ControllerState state = initial_state(loop.set_points);
  ControlWord word = word_for(Step{0}, state, loop.set_points);
  for (int step = 0; step < num_steps; ++step) {
    plant.draw(Step{step}, word.alpha);
    const Decision decision = take_step(plant, loop, state, word, history);
    state = decision.state;
    word = decision.word;
  }
  return history;
}

}  // namespace softmoe::budget
