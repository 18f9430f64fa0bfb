// Times a whole MoE layer on one GPU, forward and backward, as a model calls it: router, packing,
// experts, combine, the wait for the counts. What the first tokens give is computed again by the
// plain loops of the processor; a number that is wrong fails the program.
//
//   gpu_layer [--tokens T ...] [--json FILE]

#include <fmt/format.h>
#include <fmt/os.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>

#include "bench/made_up_layer.h"
#include "bench/numbers.h"
#include "bench/plan_on_device.h"
#include "bench/rank_workspace.h"
#include "bench/wrong_elements.h"
#include "parallel/local/local_world.h"
#include "parallel/nccl_world.h"
#include "runtime/device/cuda_device.h"

namespace softmoe::bench {

namespace {

constexpr int kWarmUps = 3;
constexpr int kRuns = 20;
/// Tokens that are computed again.
constexpr std::int64_t kCheckedTokens = 16;
/// Rounding of inner rows to eight bits, twice.
constexpr float kBf16Tolerance = 2e-2F;

double seconds_of(const std::function<void()>& work, Stream& stream) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  stream.synchronize();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

struct Case {
  LayerSize size;
  router::RouterKind kind = router::RouterKind::softmoe;

  [[nodiscard]] const char* kind_name() const {
    return kind == router::RouterKind::softmoe ? "softmoe" : "topk";
  }
};

/// Numbers of y and d_x that the plain loops find otherwise.
std::int64_t wrong_of(const Case& of, const MadeUpLayer& layer, const TokenExperts& choices,
                      parallel::Communicator& alone) {
  RankWorkspace specified({.backend = Backend::reference});
  MadeUpLayer reference(of.size, of.kind, kCheckedTokens, alone, specified.work());
  const PlanOnDevice plan(choices, static_cast<int>(of.size.experts), specified.work());
  reference.forward(&plan.plan());
  reference.backward();
  const float tolerance = of.size.element == 2 ? kBf16Tolerance : kFloatTolerance;
  return wrong_elements(layer.y(kCheckedTokens), reference.y(kCheckedTokens), tolerance) +
         wrong_elements(layer.d_x(kCheckedTokens), reference.d_x(kCheckedTokens), tolerance);
}

nlohmann::ordered_json measure(const Case& of, Workspace& work) {
  const ArenaScope scope(work.saved);
  const auto on_host = parallel::LocalWorld(1).communicator(Rank(0));
  const auto ids = parallel::exchange_id_over(*on_host);
  const auto alone = parallel::make_nccl_world({.device = work.compute.device(), .ids = *ids}, {});
  MadeUpLayer layer(of.size, of.kind, of.size.tokens, *alone, work);
  std::vector<double> forward;
  std::vector<double> backward;
  TokenExperts choices;
  for (int run = -kWarmUps; run < kRuns; ++run) {
    forward.push_back(seconds_of([&] { layer.forward(); }, work.compute));
    if (run == kRuns - 1) choices = layer.choices(kCheckedTokens);
    backward.push_back(seconds_of([&] { layer.backward(); }, work.compute));
    if (run >= 0) continue;
    forward.clear();
    backward.clear();
  }
  const auto numbers = [](std::int64_t number) { return static_cast<double>(number); };
  const double products =
      2.0 * numbers(of.size.hidden) *
      (3 * numbers(layer.rows() * of.size.inner) + numbers(of.size.tokens * of.size.experts));
  const std::int64_t wrong = wrong_of(of, layer, choices, *on_host);
  return {{"routing", of.kind_name()},
          {"element_bytes", of.size.element},
          {"tokens", of.size.tokens},
          {"hidden", of.size.hidden},
          {"inner", of.size.inner},
          {"experts", of.size.experts},
          {"rows", layer.rows()},
          {"forward_seconds_median", median(forward)},
          {"forward_seconds_min", least(forward)},
          {"backward_seconds_median", median(backward)},
          {"backward_seconds_min", least(backward)},
          {"forward_tflops", 1e-12 * products / median(forward)},
          {"backward_tflops", 2e-12 * products / median(backward)},
          {"wrong_elements", wrong},
          {"checked_elements", 2 * kCheckedTokens * of.size.hidden}};
}

void print(const nlohmann::ordered_json& row) {
  fmt::print("{:<8} {:>5} {:>7} {:>9.3f} {:>9.3f} {:>7.1f} {:>9.3f} {:>9.3f} {:>7.1f} {:>6}/{}\n",
             row["routing"].get<std::string>(), row["element_bytes"].get<int>(),
             row["rows"].get<std::int64_t>(), 1e3 * row["forward_seconds_median"].get<double>(),
             1e3 * row["forward_seconds_min"].get<double>(), row["forward_tflops"].get<double>(),
             1e3 * row["backward_seconds_median"].get<double>(),
             1e3 * row["backward_seconds_min"].get<double>(), row["backward_tflops"].get<double>(),
             row["wrong_elements"].get<std::int64_t>(),
             row["checked_elements"].get<std::int64_t>());
}

/// @return whether all checked numbers are right
bool run(const LayerSize& size, const std::vector<std::int64_t>& elements,
         const std::string& json) {
  RankWorkspace gpu(make_cuda_device(LocalRank(0)), Bytes(std::int64_t{12} << 30));
  fmt::print("{} tokens, hidden {}, inner {}, {} experts; milliseconds, TFLOP/s\n", size.tokens,
             size.hidden, size.inner, size.experts);
  fmt::print("{:<8} {:>5} {:>7} {:>9} {:>9} {:>7} {:>9} {:>9} {:>7} {}\n", "routing", "bytes",
             "rows", "forward", "least", "TF/s", "backward", "least", "TF/s", "wrong/checked");
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  std::int64_t wrong = 0;
  for (const std::int64_t element : elements) {
    for (const auto kind : {router::RouterKind::top_k, router::RouterKind::softmoe}) {
      Case of{.size = size, .kind = kind};
      of.size.element = element;
      rows.push_back(measure(of, gpu.work()));
      print(rows.back());
      wrong += rows.back()["wrong_elements"].get<std::int64_t>();
    }
  }
  if (!json.empty()) fmt::output_file(json).print("{}\n", rows.dump(2));
  return wrong == 0;
}

}  // namespace

}  // namespace softmoe::bench

int main(int argc, char** argv) {
  using namespace softmoe::bench;
  CLI::App app("Times a MoE layer on one GPU.");
  LayerSize size;
  std::vector<std::int64_t> elements = {2, 4};
  std::string json;
  app.add_option("--tokens", size.tokens, "T, at least 16");
  app.add_option("--hidden", size.hidden, "H");
  app.add_option("--inner", size.inner, "F");
  app.add_option("--experts", size.experts, "E");
  app.add_option("--rows", size.rows, "rows of experts, a multiple of T");
  app.add_option("--element-bytes", elements, "2 for bf16, 4 for f32")
      ->check(CLI::IsMember({2, 4}));
  app.add_option("--json", json, "also write the numbers there");
  CLI11_PARSE(app, argc, argv);
  try {
    return run(size, elements, json) ? 0 : 1;
  } catch (const std::exception& error) {
    fmt::print(stderr, "gpu_layer: {}\n", error.what());
    return 1;
  }
}
