// What a page of metrics costs at every level of detail: its series, its bytes, the processor time
// of the thread that makes it, and of a step that tells its numbers.
//
//     build/release/bench/metrics_page [--layers L] [--experts E] [--steps N]

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <ctime>
#include <vector>

#include "router/route_statistics.h"
#include "runtime/metrics/registry.h"
#include "training/run_metrics.h"

namespace {

using namespace softmoe;
using training::ExpertDetail;
using training::MetricsShape;
using training::StepResult;

/// Processor time of this thread: other work on the machine hardly changes it.
double microseconds() {
  timespec now = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return 1e6 * static_cast<double>(now.tv_sec) + 1e-3 * static_cast<double>(now.tv_nsec);
}

double median(std::vector<double> numbers) {
  const auto middle = numbers.begin() + std::ssize(numbers) / 2;
  std::nth_element(numbers.begin(), middle, numbers.end());
  return *middle;
}

/// A step whose experts have unequal loads. @param seed  draws them
StepResult make_step(const MetricsShape& shape, std::uint64_t seed) {
  StepResult result;
  result.record.in_force.budget = 2.0 * shape.layers;
  result.record.tokens = 1 << 20;
  result.seconds = 1;
  const auto num_layers = static_cast<std::size_t>(shape.layers);
  result.record.executed_L.assign(num_layers, 0);
  result.record.soft_mass_L.assign(num_layers, 2.0);
  result.layers.resize(num_layers);
  for (std::size_t layer = 0; layer < num_layers; ++layer) {
    router::RouteSummary& summary = result.layers[layer];
    for (int expert = 0; expert < shape.experts; ++expert) {
      seed = seed * 6364136223846793005u + 1442695040888963407u;
      summary.loads.push_back(static_cast<std::int64_t>(seed >> 48));
      summary.rows += summary.loads.back();
    }
    summary.tokens_by_experts.assign(router::kMaxCountBin + 1, 1 << 15);
    result.record.executed_L[layer] = summary.rows;
  }
  return result;
}

struct Costs {
  std::int64_t series = 0;
  std::size_t bytes = 0;
  double making_us = 0;
  double page_us = 0;
  double step_us = 0;         ///< that adds loads up
  double publication_us = 0;  ///< that publishes them besides
};

Costs measure(const MetricsShape& shape, ExpertDetail detail, int steps) {
  constexpr std::int64_t kEvery = 10;
  metrics::Registry registry({{"run", "0123456789abcdef"}, {"rank", "0"}});
  const training::MetricsConfig config{
      .expert_detail = detail, .max_series = 10'000'000, .every = kEvery};
  const training::RateContext rates{
      .steps = steps, .step_flops = 1e15, .peak_flops = 2e15, .layer_costs = {}};
  const training::RunFacts facts;
  Costs costs;
  const double begin = microseconds();
  training::RunMetrics run({.registry = registry,
                            .config = config,
                            .shape = shape,
                            .facts = facts,
                            .rates = rates,
                            .unix_time = 0});
  costs.making_us = microseconds() - begin;
  costs.series = registry.num_series();
  const std::vector<StepResult> results = {make_step(shape, 1), make_step(shape, 2)};
  std::vector<double> page_us;
  std::vector<double> step_us;
  std::vector<double> publication_us;
  for (int step = 0; step < steps; ++step) {
    const double before_step = microseconds();
    run.observe(results[static_cast<std::size_t>(step) % 2], rates, step);
    // Step 0 publishes, and then every tenth.
    (step % kEvery == 0 ? publication_us : step_us).push_back(microseconds() - before_step);
    const double before_page = microseconds();
    costs.bytes = registry.page().size();
    page_us.push_back(microseconds() - before_page);
  }
  costs.page_us = median(page_us);
  costs.step_us = median(step_us);
  costs.publication_us = median(publication_us);
  return costs;
}

}  // namespace

int main(int argc, char** argv) {
  MetricsShape shape{.layers = 64, .experts = 512, .top_experts = 4};
  int steps = 100;
  CLI::App app("What a page of metrics costs");
  app.add_option("--layers", shape.layers, "layers with experts");
  app.add_option("--experts", shape.experts, "experts of a layer");
  app.add_option("--steps", steps, "steps of each level; the medians are printed")
      ->check(CLI::Range(20, 1000000));
  CLI11_PARSE(app, argc, argv);
  fmt::print("{} layers of {} experts\n", shape.layers, shape.experts);
  fmt::print("{:>8} {:>8} {:>10} {:>10} {:>10} {:>10} {:>14}\n", "level", "series", "bytes",
             "made, ms", "page, ms", "step, us", "publication, us");
  for (const ExpertDetail detail : {ExpertDetail::off, ExpertDetail::summary, ExpertDetail::buckets,
                                    ExpertDetail::topk, ExpertDetail::full}) {
    const Costs costs = measure(shape, detail, steps);
    fmt::print("{:>8} {:>8} {:>10} {:>10.2f} {:>10.2f} {:>10.1f} {:>14.1f}\n", name_of(detail),
               costs.series, costs.bytes, 1e-3 * costs.making_us, 1e-3 * costs.page_us,
               costs.step_us, costs.publication_us);
  }
  return 0;
}
