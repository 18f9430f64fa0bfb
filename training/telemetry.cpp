#include "training/telemetry.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <cmath>
#include <ctime>
#include <nlohmann/json.hpp>

namespace softmoe::training {

namespace {

using nlohmann::json;

double used(const StepResult& result, const RateContext& context) {
  return budget::used_per_token(result.record, context.layer_costs);
}

/// The largest over layers of the fullest expert's rows to the mean expert's.
double worst_imbalance(const StepResult& result) {
  double worst = 0;
  for (const router::RouteSummary& layer : result.layers) worst = std::max(worst, layer.imbalance);
  return worst;
}

double tokens_per_second(const StepResult& result) {
  return static_cast<double>(result.record.tokens) / result.seconds;
}

double utilisation(const StepResult& result, const RateContext& context) {
  return context.peak_flops > 0 ? context.step_flops / result.seconds / context.peak_flops : 0.0;
}

json layer_json(const StepResult& result, std::size_t layer) {
  const router::RouteSummary& summary = result.layers[layer];
  const double tokens = static_cast<double>(result.record.tokens);
  return {{"k", result.record.soft_mass_L[layer]},
          {"experts_per_token", static_cast<double>(result.record.executed_L[layer]) / tokens},
          {"boundary_mass", summary.boundary_mass},
          {"boundary_density", summary.density},
          {"gate_sum", summary.gate_sum},
          {"dropped_mass", summary.dropped_mass},
          {"score_std", summary.score_std},
          {"imbalance", summary.imbalance},
          {"dead_experts", summary.dead_experts},
          {"floor_ratio", summary.floor_rate},
          {"cap_ratio", summary.cap_rate},
          {"margin_median", summary.margin_median},
          {"cut", summary.cut},
          {"loads", summary.loads}};
}

}  // namespace

std::string progress_line(const StepResult& result, const RateContext& context) {
  const std::int64_t done = result.step() + 1;
  return fmt::format(
      "step {}/{} {:.1f}% | loss {:.3f} | tok/s {} | MFU {:.1f}% | k {:.2f}/{:.2f} | imb {:.2f} | "
      "gnorm {:.2f} | "
      "lr {:.1e} | {:.2f} s | ETA {}{}",
      done, context.steps, 100.0 * static_cast<double>(done) / static_cast<double>(context.steps),
      result.loss, short_count(tokens_per_second(result)), 100.0 * utilisation(result, context),
      used(result, context), result.record.in_force.budget, worst_imbalance(result),
      result.gradient_norm, result.rates.matrix, result.seconds,
      short_duration(context.seconds_per_step * static_cast<double>(context.steps - done)),
      result.was_skipped ? " | SKIPPED: not finite" : "");
}

std::string metrics_json(const StepResult& result, const RateContext& context) {
  json layers = json::array();
  for (std::size_t layer = 0; layer < result.layers.size(); ++layer)
    layers.push_back(layer_json(result, layer));
  json phases;
  for (int phase = 0; phase < kNumPhases; ++phase) {
    phases[std::string(name_of(static_cast<Phase>(phase)))] =
        result.phase_seconds[static_cast<std::size_t>(phase)];
  }
  const json object = {{"step", result.step()},
                       {"loss", result.loss},
                       {"balance_loss", result.balance_loss},
                       {"tokens", result.record.tokens},
                       {"seconds", result.seconds},
                       {"tokens_per_second", tokens_per_second(result)},
                       {"mfu_ratio", utilisation(result, context)},
                       {"gradient_norm", result.gradient_norm},
                       {"clip_factor", result.clip_factor},
                       {"skipped", result.was_skipped},
                       {"learning_rate", result.rates.matrix},
                       {"budget_target", result.record.in_force.budget},
                       {"budget_used", used(result, context)},
                       {"lambda", result.record.in_force.lambda},
                       {"alpha", result.record.in_force.alpha},
                       {"layers", layers},
                       {"phase_seconds_rank0", phases},
                       {"rows_received_rank0", result.rows_received},
                       {"rows_sent_off_rank0", result.rows_sent_off_rank},
                       {"layers_in_waves_rank0", result.layers_in_waves},
                       {"receive_waves_rank0", result.receive_waves}};
  return object.dump();
}

std::string event_json(const std::string& name, std::int64_t step,
                       const std::string& details_json) {
  json object = details_json.empty() ? json::object() : json::parse(details_json);
  object["time"] = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
  object["event"] = name;
  object["step"] = step;
  return object.dump();
}

std::string evaluation_json(const Evaluation& evaluation) {
  return json({{"loss", evaluation.loss},
               {"tokens", evaluation.tokens},
               {"experts_per_token", evaluation.experts_per_token_L},
               {"k", evaluation.soft_mass_L}})
      .dump();
}

std::string short_duration(double seconds) {
  const auto whole = static_cast<std::int64_t>(std::llround(std::max(seconds, 0.0)));
  if (whole >= 3600) return fmt::format("{}h{:02}m", whole / 3600, whole / 60 % 60);
  if (whole >= 60) return fmt::format("{}m{:02}s", whole / 60, whole % 60);
  return fmt::format("{}s", whole);
}

std::string short_count(double number) {
  if (number >= 9.995e5) return fmt::format("{:.1f}M", number * 1e-6);
  if (number >= 1e4) return fmt::format("{:.0f}k", number * 1e-3);
  if (number >= 1e3) return fmt::format("{:.1f}k", number * 1e-3);
  return fmt::format("{:.0f}", number);
}

}  // namespace softmoe::training
