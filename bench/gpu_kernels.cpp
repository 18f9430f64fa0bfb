// Times every operation of a MoE layer on a GPU beside the two numbers that bound it.
//
//   gpu_kernels [--tokens T ...] [--json FILE]    measure
//   gpu_kernels --costs                           only the bytes and flops, as docs/gpu.md has them

#include <fmt/format.h>
#include <fmt/os.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "bench/kernel_costs.h"
#include "bench/kernel_layer.h"
#include "bench/rank_workspace.h"
#include "runtime/device/cuda_device.h"

namespace softmoe::bench {

namespace {

constexpr int kRuns = 20;
constexpr int kCallsOfRun = 10;
constexpr int kWarmUps = 3;

struct Measured {
  KernelCost cost;
  double median_seconds = 0;
  double best_seconds = 0;
};

/// Calls are enqueued behind one another, as a step does, and waited for once: what a launch costs
/// the host hides behind the call before, unless the call is shorter than its launch.
double seconds_of(const KernelCall& call, Stream& stream) {
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < kCallsOfRun; ++i) call.enqueue();
  stream.synchronize();
  const std::chrono::duration<double> all = std::chrono::steady_clock::now() - begin;
  return all.count() / kCallsOfRun;
}

Measured measure(const KernelCall& call, const KernelCost& cost, Stream& stream) {
  for (int run = 0; run < kWarmUps; ++run) call.enqueue();
  stream.synchronize();
  std::vector<double> seconds;
  for (int run = 0; run < kRuns; ++run) seconds.push_back(seconds_of(call, stream));
  std::sort(seconds.begin(), seconds.end());
  return {.cost = cost, .median_seconds = seconds[kRuns / 2], .best_seconds = seconds.front()};
}

nlohmann::json run(LayerSize size) {
  RankWorkspace gpu(make_cuda_device(LocalRank(0)), Bytes(std::int64_t{8} << 30));
  const KernelLayer layer(size, gpu.work());
  size.rows = layer.rows();
  const std::vector<KernelCost> costs = kernel_costs(size);
  nlohmann::json kernels = nlohmann::json::array();
  fmt::print("{} tokens, {} rows, hidden {}, inner {}, {} experts, {} bytes a number\n",
             size.tokens, size.rows, size.hidden, size.inner, size.experts, size.element);
  fmt::print("{:<28} {:>10} {:>10} {:>9} {:>10}\n", "kernel", "median us", "best us", "GB/s",
             "GFLOP/s");
  for (std::size_t i = 0; i < costs.size(); ++i) {
    const Measured m = measure(layer.calls()[i], costs[i], gpu.work().compute);
    fmt::print("{:<28} {:>10.1f} {:>10.1f} {:>9.0f} {:>10.0f}\n", m.cost.kernel,
               m.median_seconds * 1e6, m.best_seconds * 1e6, m.cost.bytes / m.median_seconds / 1e9,
               m.cost.flops / m.median_seconds / 1e9);
    kernels.push_back({{"kernel", m.cost.kernel},
                       {"median_seconds", m.median_seconds},
                       {"best_seconds", m.best_seconds},
                       {"bytes", m.cost.bytes},
                       {"flops", m.cost.flops}});
  }
  return {{"tokens", size.tokens},        {"rows", size.rows},
          {"hidden", size.hidden},        {"inner", size.inner},
          {"experts", size.experts},      {"element_bytes", size.element},
          {"kernels", std::move(kernels)}};
}

}  // namespace

}  // namespace softmoe::bench

int main(int argc, char** argv) {
  using namespace softmoe::bench;
  CLI::App app("Times the CUDA kernels of a MoE layer.");
  LayerSize size;
  std::string json;
  app.add_option("--tokens", size.tokens, "T");
  app.add_option("--hidden", size.hidden, "H");
  app.add_option("--inner", size.inner, "F");
  app.add_option("--experts", size.experts, "E");
  app.add_option("--rows", size.rows, "rows of experts, a multiple of T");
  app.add_option("--element-bytes", size.element, "2 for bf16, 4 for f32")
      ->check(CLI::IsMember({2, 4}));
  app.add_option("--json", json, "also write the numbers there");
  bool wants_costs = false;
  app.add_flag("--costs", wants_costs, "print bytes and flops, measure nothing");
  CLI11_PARSE(app, argc, argv);
  if (wants_costs) {
    for (const std::string& line : as_table(kernel_costs(size))) fmt::print("{}\n", line);
    return 0;
  }
  try {
    const nlohmann::json results = run(size);
    if (!json.empty()) fmt::output_file(json).print("{}\n", results.dump(2));
  } catch (const std::exception& error) {
    fmt::print(stderr, "gpu_kernels: {}\n", error.what());
    return 1;
  }
  return 0;
}
