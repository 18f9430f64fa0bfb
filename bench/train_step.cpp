// Steps of the real trainer over synthetic tokens, every one of them checked.
//
//     build/release/bench/train_step --shape eight --routing topk runtime.threads=2
//     mpirun -n 2 build/release/bench/train_step --shape demo --workload all --ceiling --json

#include <fmt/format.h>

#include <algorithm>

#include "bench/bench_program.h"
#include "bench/step_bench.h"
#include "launcher/run/launch_environment.h"

namespace softmoe::bench {

namespace {

struct Options {
  ShapeChoice shape;
  std::vector<std::string> workloads = {"natural"};
  int warmup = 5;
  int steps = 30;
  int block = 5;
  bool has_ceiling = false;
  bool is_json = false;
};

/// All kinds of steps, a block of each by turns.
std::vector<StepFigures> measure(const Options& options, const std::vector<StepKind>& kinds,
                                 StepBench& bench) {
  std::vector<StepFigures> all(kinds.size());
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    if (kinds[i]) {
      all[i].workload = name_of(kinds[i]->workload);
      all[i].is_placed = kinds[i]->is_placed;
    }
  }
  bench.run_block(kinds.front(), options.warmup, nullptr);
  for (int done = 0; done < options.steps; done += options.block) {
    const int steps = std::min(options.block, options.steps - done);
    for (std::size_t i = 0; i < kinds.size(); ++i) {
      if (options.has_ceiling) {
        bench.run_block_beside_ceiling(kinds[i], steps, all[i]);
      } else {
        bench.run_block(kinds[i], steps, &all[i]);
      }
    }
  }
  return all;
}

void run(const Options& options) {
  const launcher::LaunchEnvironment environment =
      launcher::read_environment(std::nullopt, launcher::lookup_environment);
  const launcher::RunConfig config = load_shape(options.shape, environment.world());
  const std::vector<StepKind> kinds = step_kinds(options.workloads);
  launcher::RankSession session(environment, config);
  StepBench bench(config, session);
  const std::vector<StepFigures> all = measure(options, kinds, bench);
  const PeakBytes peak = bench.peak();
  if (!session.is_root()) return;
  const StepSetting setting{.program = "train_step",
                            .shape = options.shape.name(),
                            .routing = options.shape.routing,
                            .ranks = environment.world(),
                            .threads = config.runtime.threads,
                            .tokens = step_tokens(config)};
  for (const StepFigures& figures : all) {
    fmt::print("{}\n", options.is_json ? figures_json(setting, figures, config.model, peak)
                                       : figures_text(setting, figures, config.model, peak));
  }
}

}  // namespace

}  // namespace softmoe::bench

int main(int argc, char** argv) {
  softmoe::bench::Options options;
  CLI::App app("Steps of the real trainer over synthetic tokens");
  softmoe::bench::add_shape_options(app, options.shape);
  app.add_option("--warmup", options.warmup, "steps that are not measured")
      ->check(CLI::Range(0, 1000000))
      ->capture_default_str();
  app.add_option("--steps", options.steps, "steps of each workload that are")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  app.add_option("--block", options.block, "so many of them before it is another's turn")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  app.add_option("--workload", options.workloads,
                 "natural: the router's choice; W0 to W7: bench/routing_workload.h; with +placed "
                 "behind it, experts placed by load; all. Several with commas")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->capture_default_str();
  app.add_flag("--ceiling", options.has_ceiling,
               "take passes of the ceiling (bench/ceiling) between blocks of steps");
  app.add_flag("--json", options.is_json, "one JSON object a line");
  app.footer(
      "The servo needs some tens of steps to meet its budget; with budget.mode=quota every step\n"
      "runs exactly that many rows. The ceiling runs the rows that the steps ran.\n");
  if (const auto code = softmoe::bench::parse(app, argc, argv)) return *code;
  return softmoe::bench::run_bench("train_step", [&] { softmoe::bench::run(options); });
}
