#include "launcher/run/run_config.h"

#include <fmt/format.h>

#include <algorithm>

#include "budget/budget_limits.h"
#include "experts/expert_placement.h"
#include "router/router.h"
#include "runtime/config/check.h"
#include "runtime/config/reader.h"

namespace softmoe::launcher {

namespace {

/// Mean experts per token and layer of the demo, and of any run that says neither K nor B.
constexpr double kDefaultMeanExperts = 2.0;

void check_experts(const RunConfig& config, int world, config::Check& check) {
  const int ranks = config.parallel.expert_parallel == 0 ? world : config.parallel.expert_parallel;
  if (world % ranks != 0) {
    check.refuse("parallel.expert_parallel",
                 fmt::format("{} does not divide the {} ranks of the world", ranks, world));
    return;
  }
  try {
    [[maybe_unused]] const experts::ExpertPlacement placement(config.model.experts.num_experts,
                                                              ranks);
  } catch (const ConfigError& error) {
    check.refuse("model.experts.num_experts", error.what());
  }
}

void check_budget(const RunConfig& config, config::Check& check) {
  const model::ModelConfig& model = config.model;
  const router::RouterConfig& router = model.router;
  const int layers = model.moe_layers();
  const int experts = model.experts.num_experts;
  if (router.kind != router::RouterKind::softmoe) {
    if (router.top_k > experts) {
      check.refuse("model.router.top_k",
                   fmt::format("{} of {} experts: at most {}", router.top_k, experts, experts));
    }
    return;
  }
  const double mass = config.total_mass();
  const int cap = router::expert_cap(router, mass / layers, experts);
  if (router.layer_means == router::LayerMeans::simplex) {
    if (const auto refusal = budget::refuse_soft_mass(
            mass, {.num_layers = layers, .num_experts = experts, .cap = experts})) {
      check.refuse("model.router.total_mass", *refusal);
    }
  } else if (mass > static_cast<double>(layers) * experts) {
    check.refuse("model.router.total_mass",
                 fmt::format("{} is more than the {} experts of {} layers", mass, experts, layers));
  }
  if (config.budget.mode == budget::Mode::off) return;
  if (const auto refusal = budget::refuse_budget(config.total_budget(),
                                                 {.num_layers = layers,
                                                  .floor = router.floor,
                                                  .cap_sum = static_cast<double>(layers) * cap})) {
    check.refuse("budget.total", *refusal);
  }
}

void check_sizes(const RunConfig& config, config::Check& check) {
  if (!config.budget.layer_costs.empty() &&
      static_cast<int>(config.budget.layer_costs.size()) != config.model.moe_layers()) {
    check.refuse("budget.layer_costs",
                 fmt::format("has {} numbers for {} layers with experts",
                             config.budget.layer_costs.size(), config.model.moe_layers()));
  }
}

}  // namespace

void RuntimeConfig::bind(config::Reader& reader) {
  using config::Range;
  reader.choice("backend", backend,
                {{"cpu", Backend::cpu}, {"reference", Backend::reference}, {"cuda", Backend::cuda}},
                "kernels: vectors and BLAS, the plain loops that specify them, or a GPU's where "
                "there is one");
  reader.value("threads", threads, Range{.min = 1, .max = 1024}, "threads of one rank");
  reader.value("arena_bytes", arena_bytes, Range{.min = 1 << 20},
               "address space of each arena; only what is used costs memory");
}

void RuntimeConfig::validate(config::Check&) const {}

void FolderConfig::bind(config::Reader& reader) {
  reader.value("folder", folder, "where results go; empty: a new folder under runs/");
}

void RunConfig::bind(config::Reader& reader) {
  reader.section("run", run);
  reader.section("model", model);
  reader.section("budget", budget);
  reader.section("optimizer", optimizer);
  reader.section("training", training);
  reader.section("data", data);
  reader.section("parallel", parallel);
  reader.section("runtime", runtime);
}

double RunConfig::total_mass() const {
  if (model.router.kind != router::RouterKind::softmoe)
    return model.router.top_k * model.moe_layers();
  if (model.router.total_mass) return *model.router.total_mass;
  return budget.total.value_or(kDefaultMeanExperts * model.moe_layers());
}

double RunConfig::total_budget() const {
  return budget.total.value_or(total_mass());
}

config::Loaded<RunConfig> load_run_config(const config::Source& source,
                                          std::span<const std::string> overrides, int world) {
  config::Loaded<RunConfig> loaded = config::load<RunConfig>(source, overrides);
  config::Check check(loaded.origins);
  check_sizes(loaded.value, check);
  check_experts(loaded.value, world, check);
  check_budget(loaded.value, check);
  check.throw_if_refused();
  return loaded;
}

}  // namespace softmoe::launcher
