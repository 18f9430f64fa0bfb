// How fast a step could be: its products, attention, elementwise passes, gradient norm and AdamW
// alone, experts balanced, nothing routed, packed or sent. Beside it the peak of multiply-adds.
//
//     build/release/bench/ceiling --shape eight runtime.threads=2
//     mpirun -n 2 build/release/bench/ceiling --shape sixty_four --json

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "bench/bench_program.h"
#include "bench/fma_peak.h"
#include "bench/numbers.h"
#include "bench/step_ceiling.h"
#include "launcher/run/rank_session.h"
#include "parallel/reduce.h"

namespace softmoe::bench {

namespace {

struct Options {
  ShapeChoice shape;
  int warmup = 2;
  int passes = 10;
  bool is_json = false;
};

/// What all passes of a program say. Seconds are those of rank 0, which waits for the others.
struct Figures {
  std::vector<double> seconds;
  std::array<std::vector<double>, kNumCeilingParts> part_seconds;
  std::array<double, kNumCeilingParts> part_flops = {};  ///< of one rank
  double peak_flops = 0;                                 ///< of all ranks
};

Figures measure(const Options& options, const launcher::RunConfig& config,
                launcher::RankSession& session) {
  parallel::Communicator& world = session.world();
  StepCeiling ceiling(config, world.size(), session.work());
  const std::int64_t rows =
      std::llround(mean_experts(config) * static_cast<double>(step_tokens(config)));
  const std::vector<std::int64_t> rows_L(static_cast<std::size_t>(config.model.moe_layers()), rows);
  Figures figures;
  for (int pass = -options.warmup; pass < options.passes; ++pass) {
    world.barrier();
    const auto begin = std::chrono::steady_clock::now();
    const CeilingPass done = ceiling.run(rows_L);
    world.barrier();
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
    if (pass < 0) continue;
    figures.seconds.push_back(taken.count());
    figures.part_flops = done.part_flops;
    for (std::size_t part = 0; part < figures.part_seconds.size(); ++part)
      figures.part_seconds[part].push_back(done.part_seconds[part]);
  }
  world.barrier();
  std::array<double, 1> peak = {measure_fma_peak(session.work().compute.workers())};
  parallel::all_reduce_sum_on_host(std::span<double>(peak), world, session.work().exchange);
  figures.peak_flops = peak[0];
  return figures;
}

void print(const Options& options, const launcher::RunConfig& config, int ranks,
           const Figures& figures) {
  const double seconds = median(figures.seconds);
  double flops = 0;
  for (const double of_part : figures.part_flops) flops += of_part * ranks;
  const double tokens_per_second = static_cast<double>(step_tokens(config)) / seconds;
  nlohmann::ordered_json json = {{"program", "ceiling"},
                                 {"shape", options.shape.name()},
                                 {"ranks", ranks},
                                 {"threads", config.runtime.threads},
                                 {"tokens_per_step", step_tokens(config)},
                                 {"rows_per_token", config.total_budget()},
                                 {"ceiling_seconds_median", seconds},
                                 {"ceiling_seconds_min", least(figures.seconds)},
                                 {"tokens_per_second", tokens_per_second},
                                 {"gflops", 1e-9 * flops / seconds},
                                 {"fma_peak_gflops", 1e-9 * figures.peak_flops},
                                 {"peak_ratio", flops / seconds / figures.peak_flops}};
  std::string lines;
  for (int part = 0; part < kNumCeilingParts; ++part) {
    const auto place = static_cast<std::size_t>(part);
    const std::string name(name_of(static_cast<CeilingPart>(part)));
    const double part_seconds = median(figures.part_seconds[place]);
    json["part_seconds"][name] = part_seconds;
    lines += fmt::format("  {:<12} {:>9.2f} ms", name, 1e3 * part_seconds);
    if (figures.part_flops[place] > 0) {
      lines +=
          fmt::format(" {:>8.1f} GFLOP/s a rank", 1e-9 * figures.part_flops[place] / part_seconds);
    }
    lines += "\n";
  }
  if (options.is_json) {
    fmt::print("{}\n", json.dump());
    return;
  }
  fmt::print(
      "{}: {} ranks of {} threads, {} passes of {} tokens, {:.2f} rows per token\n"
      "  pass {:.2f} ms (least {:.2f}), {:.0f} tokens/s, {:.1f} GFLOP/s, {:.1f} % of the peak of "
      "multiply-adds, {:.1f}\n{}",
      options.shape.name(), ranks, config.runtime.threads, figures.seconds.size(),
      step_tokens(config), config.total_budget(), 1e3 * seconds, 1e3 * least(figures.seconds),
      tokens_per_second, 1e-9 * flops / seconds, 100 * flops / seconds / figures.peak_flops,
      1e-9 * figures.peak_flops, lines);
}

void run(const Options& options) {
  const launcher::LaunchEnvironment environment =
      launcher::read_environment(std::nullopt, launcher::lookup_environment);
  const launcher::RunConfig config = load_shape(options.shape, environment.world());
  launcher::RankSession session(environment, config);
  const Figures figures = measure(options, config, session);
  if (session.is_root()) print(options, config, environment.world(), figures);
}

}  // namespace

}  // namespace softmoe::bench

int main(int argc, char** argv) {
  softmoe::bench::Options options;
  CLI::App app("The work of a step that no trainer can leave out");
  softmoe::bench::add_shape_options(app, options.shape);
  app.add_option("--warmup", options.warmup, "passes that are not measured")
      ->check(CLI::Range(0, 1000000))
      ->capture_default_str();
  app.add_option("--passes", options.passes, "passes that are")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  app.add_flag("--json", options.is_json, "one JSON object a line");
  if (const auto code = softmoe::bench::parse(app, argc, argv)) return *code;
  return softmoe::bench::run_bench("ceiling", [&] { softmoe::bench::run(options); });
}
