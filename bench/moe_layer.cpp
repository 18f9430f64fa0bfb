// One MoE layer, forward and backward, under the routing workloads, on ranks that are threads or
// processes. A row that is wrong fails the program.
//
//     build/release/bench/moe_layer --shape sixty_four --ranks 2
//     mpirun -n 2 build/release/bench/moe_layer --shape eight --workload W2,W2+placed --json

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "bench/bench_program.h"
#include "bench/layer_bench.h"
#include "bench/local_ranks.h"
#include "bench/numbers.h"
#include "bench/step_bench.h"

namespace softmoe::bench {

namespace {

struct Options {
  ShapeChoice shape;
  std::vector<std::string> workloads = {"all"};
  int ranks = 1;
  int repeats = 20;
  bool is_json = false;
};

/// GFLOP/s of the whole layer. @param passes  2 m n k of the forward pass, so many times
double gflops(const launcher::RunConfig& config, const LayerFigures& figures, int ranks,
              double passes, double seconds) {
  const double hidden = config.model.hidden;
  const double of_rows =
      6.0 * static_cast<double>(figures.rows) * hidden * config.model.experts.inner;
  const double of_router = 2.0 * static_cast<double>(ranks * lane_tokens(config)) * hidden *
                           config.model.experts.num_experts;
  return 1e-9 * passes * (of_rows + of_router) / seconds;
}

void print(const Options& options, const launcher::RunConfig& config, int ranks,
           const LayerFigures& figures) {
  const double forward = median(figures.forward_seconds);
  const double backward = median(figures.backward_seconds);
  const double exchange = median(figures.exchange_seconds);
  const std::string workload = name_of(figures.routing.workload);
  nlohmann::ordered_json json = {
      {"program", "moe_layer"},
      {"shape", options.shape.name()},
      {"workload", workload},
      {"placed", figures.routing.is_placed},
      {"ranks", ranks},
      {"threads", config.runtime.threads},
      {"tokens", ranks * lane_tokens(config)},
      {"rows", figures.rows},
      {"rank_skew", figures.skew.ranks},
      {"expert_skew", figures.skew.experts},
      {"forward_seconds_median", forward},
      {"forward_seconds_min", least(figures.forward_seconds)},
      {"backward_seconds_median", backward},
      {"backward_seconds_min", least(figures.backward_seconds)},
      {"forward_gflops", gflops(config, figures, ranks, 1, forward)},
      {"backward_gflops", gflops(config, figures, ranks, 2, backward)},
      {"exchange_seconds_median", exchange},
      {"exchange_algbw_gbytes", 1e-9 * static_cast<double>(figures.most_bytes_sent) / exchange},
      {"exchange_busbw_gbytes", 1e-9 * static_cast<double>(figures.most_bytes_on_link) / exchange},
      {"checked_elements", figures.checked_elements},
      {"wrong_elements", figures.wrong_elements}};
  if (options.is_json) {
    fmt::print("{}\n", json.dump());
    return;
  }
  fmt::print(
      "{:<11} {:<9} {:>6} {:>6.2f} {:>6.2f} {:>9.2f} {:>9.2f} {:>7.1f} {:>9.2f} {:>9.2f} "
      "{:>7.1f} {:>7.2f} {:>7.2f} {:>6}/{}\n",
      options.shape.name(), workload + (figures.routing.is_placed ? "+placed" : ""), figures.rows,
      figures.skew.ranks, figures.skew.experts, 1e3 * forward, 1e3 * least(figures.forward_seconds),
      json["forward_gflops"].get<double>(), 1e3 * backward, 1e3 * least(figures.backward_seconds),
      json["backward_gflops"].get<double>(), json["exchange_algbw_gbytes"].get<double>(),
      json["exchange_busbw_gbytes"].get<double>(), figures.wrong_elements,
      figures.checked_elements);
}

void print_header(const Options& options, const launcher::RunConfig& config, int ranks) {
  if (options.is_json) return;
  fmt::print("{} ranks of {} threads, {} tokens a rank; milliseconds, GFLOP/s, GB/s\n", ranks,
             config.runtime.threads, lane_tokens(config));
  fmt::print("{:<11} {:<9} {:>6} {:>6} {:>6} {:>9} {:>9} {:>7} {:>9} {:>9} {:>7} {:>7} {:>7} {}\n",
             "shape", "workload", "rows", "ranks", "expts", "forward", "least", "GF/s", "backward",
             "least", "GF/s", "algbw", "busbw", "wrong/checked");
}

/// What one rank does. All ranks see the same number of wrong elements and fail alike.
void run_rank(const Options& options, const launcher::RunConfig& config, parallel::Communicator& ep,
              Workspace& work) {
  LayerBench bench(config, ep, work);
  const bool is_root = ep.rank() == Rank(0);
  if (is_root) print_header(options, config, ep.size());
  std::int64_t wrong = 0;
  for (const StepKind& kind : step_kinds(options.workloads)) {
    if (!kind) continue;
    const LayerFigures figures = bench.measure(*kind, options.repeats);
    wrong += figures.wrong_elements;
    if (is_root) print(options, config, ep.size(), figures);
  }
  if (wrong > 0) throw InternalError(fmt::format("{} elements of the layer are wrong", wrong));
}

void run(const Options& options) {
  const launcher::LaunchEnvironment environment =
      launcher::read_environment(std::nullopt, launcher::lookup_environment);
  if (environment.expected && options.ranks > 1) {
    throw ConfigError(fmt::format(
        "--ranks {} are threads, but {} ranks were started by mpirun: leave one of them out",
        options.ranks, environment.world()));
  }
  const int ranks = environment.expected ? environment.world() : options.ranks;
  const launcher::RunConfig config = load_shape(options.shape, ranks);
  static_cast<void>(step_kinds(options.workloads));  // refuses what there is not
  if (!environment.expected) {
    run_local_ranks(
        ranks, config.runtime.threads,
        [&](parallel::Communicator& ep, Workspace& work) { run_rank(options, config, ep, work); });
    return;
  }
  launcher::RankSession session(environment, config);
  run_rank(options, config, session.world(), session.work());
}

}  // namespace

}  // namespace softmoe::bench

int main(int argc, char** argv) {
  softmoe::bench::Options options;
  CLI::App app("One MoE layer under the routing workloads");
  softmoe::bench::add_shape_options(app, options.shape);
  app.add_option("--ranks", options.ranks, "ranks as threads of this process")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_option("--repeats", options.repeats, "measured passes of each workload")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  app.add_option("--workload", options.workloads,
                 "W0 to W7: bench/routing_workload.h; with +placed behind it, experts placed by "
                 "load; all. Several with commas")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->capture_default_str();
  app.add_flag("--json", options.is_json, "one JSON object a line");
  if (const auto code = softmoe::bench::parse(app, argc, argv)) return *code;
  return softmoe::bench::run_bench("moe_layer", [&] { softmoe::bench::run(options); });
}
