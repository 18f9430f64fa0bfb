#include "tests/unit/training_metrics/fixed_step.h"

#include "router/route_statistics.h"

namespace softmoe::test {

namespace {

using router::RouteSummary;

/// @param scale  tells the numbers of one layer from those of another
RouteSummary summary_of(std::vector<std::int64_t> loads, double scale) {
  RouteSummary summary;
  summary.tokens = 16;
  for (const std::int64_t load : loads) summary.rows += load;
  summary.mean_experts = static_cast<double>(summary.rows) / 16;
  summary.boundary_mass = 0.5 * scale;
  summary.density = 0.75 * scale;
  summary.gate_sum = 0.875 * scale;
  summary.dropped_mass = 0.125 * scale;
  summary.score_std = 1.25 * scale;
  summary.entropy = 0.6931471805599453;  // ln 2, half of ln 4
  summary.floor_rate = 0.0625 * scale;
  summary.cap_rate = 0.03125 * scale;
  summary.margin_low = 0.25 * scale;
  summary.margin_median = 1.5 * scale;
  summary.loads = std::move(loads);
  summary.tokens_by_experts.resize(router::kMaxCountBin + 1);
  return summary;
}

}  // namespace

training::StepResult fixed_step() {
  training::StepResult result;
  result.record.in_force = {.step = Step(9),
                            .revision = 3,
                            .term = 1,
                            .lambda = -0.25,
                            .alpha = 0.5,
                            .budget = 3.0,
                            .mode = budget::Mode::servo};
  result.record.tokens = 16;
  result.record.executed_L = {40, 20};
  result.record.soft_mass_L = {2.5, 1.25};
  result.loss = 4.5;
  result.balance_loss = 0.25;
  result.gradient_norm = 2.0;
  result.clip_factor = 0.5;
  result.rates = {.matrix = 0.003, .vector = 0.003, .router = 0.0015, .layer_means = 0.01};
  result.layers = {summary_of({4, 6, 10, 20}, 1), summary_of({0, 0, 5, 15}, 0.5)};
  // 2 tokens ran one expert, 6 two, 6 three, 2 four: 2 + 12 + 18 + 8 = 40 rows.
  result.layers[0].tokens_by_experts[1] = 2;
  result.layers[0].tokens_by_experts[2] = 6;
  result.layers[0].tokens_by_experts[3] = 6;
  result.layers[0].tokens_by_experts[4] = 2;
  result.layers[1].tokens_by_experts[1] = 12;
  result.layers[1].tokens_by_experts[2] = 4;
  result.seconds = 2.0;
  for (int phase = 0; phase < kNumPhases; ++phase) {
    result.phase_seconds[static_cast<std::size_t>(phase)] = 0.125;
  }
  result.phase_seconds[static_cast<std::size_t>(Phase::storage)] = 0;
  result.seconds_between = 0.5;
  result.rows_sent = 30;
  result.rows_received = 28;
  result.rows_sent_off_rank = 12;
  result.rows_again_off_rank = 3;
  result.layers_in_waves = 2;
  result.receive_waves = 5;
  result.bytes_reduced = 4000;
  result.bytes_gathered = 3000;
  return result;
}

training::MetricsShape fixed_shape() {
  return {.layers = 2, .experts = 4, .top_experts = 2};
}

training::RunFacts fixed_facts() {
  return {.version = "1.2.3",
          .config_hash = "00ff",
          .world = 2,
          .expert_parallel = 2,
          .precision = "f32",
          .backend = "cpu",
          .sequences_per_step = 8};
}

training::RateContext fixed_rates() {
  return {.steps = 100,
          .seconds_per_step = 2.0,
          .step_flops = 1e9,
          .peak_flops = 2e9,
          .layer_costs = {}};
}

training::StepResult drawn_step(const training::MetricsShape& shape, unsigned seed) {
  training::StepResult result = fixed_step();
  const auto num_layers = static_cast<std::size_t>(shape.layers);
  result.record.executed_L.assign(num_layers, 0);
  result.record.soft_mass_L.assign(num_layers, 2.0);
  result.layers.assign(num_layers, summary_of({}, 1));
  std::uint64_t state = seed + 1;
  for (std::size_t layer = 0; layer < num_layers; ++layer) {
    RouteSummary& summary = result.layers[layer];
    for (int expert = 0; expert < shape.experts; ++expert) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      summary.loads.push_back(static_cast<std::int64_t>(state >> 56));
      summary.rows += summary.loads.back();
    }
    summary.tokens_by_experts[2] = 16;
    result.record.executed_L[layer] = summary.rows;
  }
  return result;
}

}  // namespace softmoe::test
