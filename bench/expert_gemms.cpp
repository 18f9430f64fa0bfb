// What unequal counts cost: the products of experts, forward and backward, beside dense products of
// as many operations, one on each thread, by turns in one process.
//
//     build/release/bench/expert_gemms --shape sixty_four --threads 1,2

#include <fmt/format.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "bench/bench_program.h"
#include "bench/expert_products.h"
#include "bench/numbers.h"
#include "bench/rank_workspace.h"
#include "bench/routing_workload.h"

namespace softmoe::bench {

namespace {

struct Options {
  ShapeChoice shape;
  std::vector<std::string> counts = {"W0", "zipf", "W1", "W5"};
  std::vector<int> threads = {1, 2};
  int repeats = 15;
  bool is_json = false;
};

struct Figures {
  std::vector<double> dense_seconds;
  std::vector<double> grouped_seconds;
  std::vector<double> ffn_seconds;
  std::vector<double> grouped_ratio;  ///< of a turn: dense over grouped
  std::vector<double> ffn_ratio;
  double flops = 0;
};

double seconds_of(ExpertProducts& products, void (ExpertProducts::*form)()) {
  const auto begin = std::chrono::steady_clock::now();
  (products.*form)();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

Figures measure(ExpertProducts& products, int repeats) {
  Figures figures{.flops = products.flops()};
  for (int repeat = -1; repeat < repeats; ++repeat) {
    const double dense = seconds_of(products, &ExpertProducts::run_dense);
    const double grouped = seconds_of(products, &ExpertProducts::run_grouped);
    const double ffn = seconds_of(products, &ExpertProducts::run_ffn);
    if (repeat < 0) continue;
    figures.dense_seconds.push_back(dense);
    figures.grouped_seconds.push_back(grouped);
    figures.ffn_seconds.push_back(ffn);
    figures.grouped_ratio.push_back(dense / grouped);
    figures.ffn_ratio.push_back(dense / ffn);
  }
  return figures;
}

void print(const Options& options, const std::string& counts, int threads,
           const std::vector<std::int64_t>& row_E, const Figures& figures) {
  const double dense = 1e-9 * figures.flops / median(figures.dense_seconds);
  const double grouped = 1e-9 * figures.flops / median(figures.grouped_seconds);
  const double ffn = 1e-9 * figures.flops / median(figures.ffn_seconds);
  const double skew = skew_of(row_E, 1).experts;
  if (options.is_json) {
    const nlohmann::ordered_json json = {{"program", "expert_gemms"},
                                         {"shape", options.shape.name()},
                                         {"counts", counts},
                                         {"threads", threads},
                                         {"expert_skew", skew},
                                         {"dense_gflops", dense},
                                         {"grouped_gflops", grouped},
                                         {"ffn_gflops", ffn},
                                         {"grouped_ratio_median", median(figures.grouped_ratio)},
                                         {"ffn_ratio_median", median(figures.ffn_ratio)}};
    fmt::print("{}\n", json.dump());
    return;
  }
  fmt::print("{:<11} {:<6} {:>7} {:>6.2f} {:>8.1f} {:>8.1f} {:>8.1f} {:>9.1f} % {:>9.1f} %\n",
             options.shape.name(), counts, threads, skew, dense, grouped, ffn,
             100 * median(figures.grouped_ratio), 100 * median(figures.ffn_ratio));
}

void run(const Options& options) {
  const launcher::RunConfig config = load_shape(options.shape, /*world=*/1);
  if (!options.is_json) {
    fmt::print("{:<11} {:<6} {:>7} {:>6} {:>8} {:>8} {:>8} {:>11} {:>11}\n", "shape", "counts",
               "threads", "skew", "dense", "grouped", "FFN", "grouped is", "FFN is");
  }
  for (const int threads : options.threads) {
    RankWorkspace workspace({.num_threads = threads});
    for (const std::string& counts : options.counts) {
      const std::vector<std::int64_t> row_E = expert_rows(counts, config);
      ExpertProducts products(config.model, row_E, workspace.work());
      print(options, counts, threads, row_E, measure(products, options.repeats));
    }
  }
}

}  // namespace

}  // namespace softmoe::bench

int main(int argc, char** argv) {
  softmoe::bench::Options options;
  CLI::App app("Products of experts over unequal counts, beside dense ones");
  softmoe::bench::add_shape_options(app, options.shape);
  app.add_option("--counts", options.counts,
                 "rows of the experts: W0 to W7, as bench/routing_workload.h has them for one "
                 "rank, or zipf. Several with commas")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->capture_default_str();
  app.add_option("--threads", options.threads, "threads; several with commas")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option("--repeats", options.repeats, "measured turns")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  app.add_flag("--json", options.is_json, "one JSON object a line");
  if (const auto code = softmoe::bench::parse(app, argc, argv)) return *code;
  return softmoe::bench::run_bench("expert_gemms", [&] { softmoe::bench::run(options); });
}
