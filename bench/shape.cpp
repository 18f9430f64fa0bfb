#include "bench/shape.h"

#include <fmt/format.h>

#include <cmath>
#include <filesystem>

#include "runtime/base/errors.h"

namespace softmoe::bench {

namespace {

config::Source source_of(const ShapeChoice& choice) {
  if (!choice.config_path.empty()) return config::Source::file(choice.config_path);
  const std::filesystem::path path =
      std::filesystem::path(SOFTMOE_BENCH_SHAPES) / (choice.shape + ".yaml");
  if (!std::filesystem::exists(path)) {
    throw ConfigError(fmt::format(
        "there is no shape '{}': take demo, eight or sixty_four, or name a file with --config",
        choice.shape));
  }
  return config::Source::file(path);
}

}  // namespace

launcher::RunConfig load_shape(const ShapeChoice& choice, int world) {
  const config::Source source = source_of(choice);
  const launcher::RunConfig config =
      launcher::load_run_config(source, choice.overrides, world).value;
  if (choice.routing == "softmoe") return config;
  if (choice.routing != "topk") {
    throw ConfigError(
        fmt::format("there is no routing '{}': take softmoe or topk", choice.routing));
  }
  std::vector<std::string> overrides = {
      "model.router.kind=top_k",
      fmt::format("model.router.top_k={}", std::lround(mean_experts(config))), "budget.mode=off"};
  overrides.insert(overrides.end(), choice.overrides.begin(), choice.overrides.end());
  return launcher::load_run_config(source, overrides, world).value;
}

}  // namespace softmoe::bench
