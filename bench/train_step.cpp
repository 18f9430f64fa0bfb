// Steps of the real trainer over synthetic tokens, every one of them checked.
//
//     build/release/bench/train_step --shape eight --routing topk runtime.threads=2
//     mpirun -n 2 build/release/bench/train_step --shape demo --json

#include <fmt/format.h>

#include "bench/bench_program.h"
#include "bench/step_figures.h"
#include "launcher/run/launch_environment.h"

namespace softmoe::bench {

namespace {

struct Options {
  ShapeChoice shape;
  int warmup = 5;
  int steps = 30;
  bool is_json = false;
};

void run(const Options& options) {
  const launcher::LaunchEnvironment environment =
      launcher::read_environment(std::nullopt, launcher::lookup_environment);
  const launcher::RunConfig config = load_shape(options.shape, environment.world());
  launcher::RankSession session(environment, config);
  BenchRun trained(config, session);
  StepFigures figures;
  for (int step = 0; step < options.warmup; ++step) trained.step();
  for (int step = 0; step < options.steps; ++step) {
    const training::StepResult& result = trained.step();
    figures.add(result, trained.rows());
  }
  const PeakBytes peak = peak_bytes(session);
  if (!session.is_root()) return;
  const StepSetting setting{.program = "train_step",
                            .shape = options.shape.name(),
                            .routing = options.shape.routing,
                            .ranks = environment.world(),
                            .threads = config.runtime.threads,
                            .tokens = step_tokens(config)};
  fmt::print("{}\n", options.is_json ? figures_json(setting, figures, config.model, peak)
                                     : figures_text(setting, figures, config.model, peak));
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
  app.add_option("--steps", options.steps, "steps that are")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  app.add_flag("--json", options.is_json, "one JSON object a line");
  if (const auto code = softmoe::bench::parse(app, argc, argv)) return *code;
  return softmoe::bench::run_bench("train_step", [&] { softmoe::bench::run(options); });
}
