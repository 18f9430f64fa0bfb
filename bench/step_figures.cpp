#include "bench/step_figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "bench/numbers.h"
#include "bench/routing_workload.h"
#include "launcher/plan/process_memory.h"
#include "model/flops.h"
#include "parallel/reduce.h"

namespace softmoe::bench {

namespace {

/// The numbers that both forms tell.
struct Summary {
  double seconds = 0;
  double least_seconds = 0;
  double tokens_per_second = 0;
  double gflops = 0;
  double rows_per_token = 0;
  double rank_skew = 1;
  double expert_skew = 1;
};

Summary summarise(const StepSetting& setting, const StepFigures& figures,
                  const model::ModelConfig& model) {
  Summary summary{.seconds = median(figures.seconds), .least_seconds = least(figures.seconds)};
  const double tokens = static_cast<double>(setting.tokens);
  const double rows = median(figures.rows);
  summary.tokens_per_second = tokens / summary.seconds;
  summary.gflops = 1e-9 / summary.seconds *
                   model::training_flops(model, setting.tokens, model.positions,
                                         static_cast<std::int64_t>(rows));
  summary.rows_per_token = rows / tokens;
  summary.rank_skew = median(figures.rank_skew);
  summary.expert_skew = median(figures.expert_skew);
  return summary;
}

std::int64_t most_of_ranks(std::int64_t mine, launcher::RankSession& session) {
  std::vector<std::int64_t> all_W(static_cast<std::size_t>(session.world().size()));
  all_W[static_cast<std::size_t>(session.world().rank().value)] = mine;
  parallel::all_reduce_sum_on_host(std::span<std::int64_t>(all_W), session.world(),
                                   session.work().exchange);
  return *std::max_element(all_W.begin(), all_W.end());
}

}  // namespace

PeakBytes peak_bytes(launcher::RankSession& session) {
  return {.resident = most_of_ranks(launcher::resident_peak_bytes(), session),
          .saved_arena = most_of_ranks(session.work().saved.peak().value, session),
          .scratch_arena = most_of_ranks(session.work().scratch.peak().value, session)};
}

void StepFigures::add(const training::StepResult& result, const StepRows& moved, int expert_ranks) {
  seconds.push_back(result.seconds);
  rows.push_back(static_cast<double>(moved.executed));
  Skew mean{.experts = 0, .ranks = 0};
  for (const router::RouteSummary& layer : result.layers) {
    const Skew skew = skew_of(layer.loads, expert_ranks);
    mean.experts += skew.experts / static_cast<double>(result.layers.size());
    mean.ranks += skew.ranks / static_cast<double>(result.layers.size());
  }
  expert_skew.push_back(mean.experts);
  rank_skew.push_back(mean.ranks);
  for (std::size_t phase = 0; phase < phase_seconds.size(); ++phase)
    phase_seconds[phase].push_back(result.phase_seconds[phase]);
}

std::string figures_json(const StepSetting& setting, const StepFigures& figures,
                         const model::ModelConfig& model, const PeakBytes& peak) {
  const Summary summary = summarise(setting, figures, model);
  nlohmann::ordered_json json = {{"program", setting.program},
                                 {"shape", setting.shape},
                                 {"routing", setting.routing},
                                 {"workload", figures.workload},
                                 {"placed", figures.is_placed},
                                 {"ranks", setting.ranks},
                                 {"threads", setting.threads},
                                 {"steps", figures.seconds.size()},
                                 {"tokens_per_step", setting.tokens},
                                 {"rows_per_token", summary.rows_per_token},
                                 {"rank_skew", summary.rank_skew},
                                 {"expert_skew", summary.expert_skew},
                                 {"step_seconds_median", summary.seconds},
                                 {"step_seconds_min", summary.least_seconds},
                                 {"tokens_per_second", summary.tokens_per_second},
                                 {"gflops", summary.gflops}};
  for (int phase = 0; phase < kNumPhases; ++phase) {
    json["phase_seconds"][std::string(name_of(static_cast<Phase>(phase)))] =
        median(figures.phase_seconds[static_cast<std::size_t>(phase)]);
  }
  if (!figures.ceiling_seconds.empty()) {
    json["ceiling_seconds_median"] = median(figures.ceiling_seconds);
    json["ceiling_ratio_median"] = median(figures.ceiling_ratio);
  }
  json["peak_bytes"] = peak.resident;
  json["saved_arena_bytes"] = peak.saved_arena;
  json["scratch_arena_bytes"] = peak.scratch_arena;
  return json.dump();
}

std::string figures_text(const StepSetting& setting, const StepFigures& figures,
                         const model::ModelConfig& model, const PeakBytes& peak) {
  const Summary summary = summarise(setting, figures, model);
  std::string text = fmt::format(
      "{} {} {}{}: {} ranks of {} threads, {} steps of {} tokens\n"
      "  step {:.2f} ms (least {:.2f}), {:.0f} tokens/s, {:.1f} GFLOP/s\n"
      "  {:.3f} rows per token; largest over mean: ranks {:.3f}, experts {:.3f}",
      setting.shape, setting.routing, figures.workload, figures.is_placed ? " placed" : "",
      setting.ranks, setting.threads, figures.seconds.size(), setting.tokens, 1e3 * summary.seconds,
      1e3 * summary.least_seconds, summary.tokens_per_second, summary.gflops,
      summary.rows_per_token, summary.rank_skew, summary.expert_skew);
  text += "\n  of the step:";
  for (int phase = 0; phase < kNumPhases; ++phase) {
    const double seconds = median(figures.phase_seconds[static_cast<std::size_t>(phase)]);
    if (seconds < 0.0005 * summary.seconds) continue;
    text += fmt::format(" {} {:.1f} %", name_of(static_cast<Phase>(phase)),
                        100 * seconds / summary.seconds);
  }
  if (!figures.ceiling_seconds.empty()) {
    text += fmt::format("\n  ceiling {:.2f} ms; the step reaches {:.1f} % of it",
                        1e3 * median(figures.ceiling_seconds), 100 * median(figures.ceiling_ratio));
  }
  text +=
      fmt::format("\n  most memory of a rank: {:.1f} MiB resident; arenas {:.1f} and {:.1f} MiB\n",
                  static_cast<double>(peak.resident) / (1 << 20),
                  static_cast<double>(peak.saved_arena) / (1 << 20),
                  static_cast<double>(peak.scratch_arena) / (1 << 20));
  return text;
}

}  // namespace softmoe::bench
