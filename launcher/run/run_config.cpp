#include "launcher/run/run_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "budget/budget_limits.h"
#include "experts/expert_placement.h"
#include "router/router.h"
#include "runtime/config/check.h"
#include "runtime/config/reader.h"
#include "training/exact_gradients.h"

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

/// Every total that the run will hold, with the key that it comes from.
std::vector<std::pair<const char*, double>> all_totals(const RunConfig& config) {
  std::vector<std::pair<const char*, double>> totals = {{"budget.total", config.total_budget()}};
  for (const double total : config.budget.schedule.totals) {
    totals.emplace_back("budget.schedule.totals", total);
  }
  return totals;
}

/// What truncation and the layers' own bounds let through.
void check_totals(const RunConfig& config, config::Check& check) {
  const budget::BudgetConfig& budget = config.budget;
  const budget::ExecutionRange range = execution_range(config);
  const bool has_bounds = !budget.layer_min.empty() || !budget.layer_max.empty();
  for (const auto& [key, total] : all_totals(config)) {
    auto refusal = budget::refuse_budget(total, range);
    if (!refusal && has_bounds) {
      refusal = budget::refuse_layer_bounds(total, {.num_layers = range.num_layers,
                                                    .floor = range.floor,
                                                    .cap = range.cap_sum / range.num_layers,
                                                    .cost_L = budget.layer_costs,
                                                    .least_L = budget.layer_min,
                                                    .most_L = budget.layer_max});
    }
    if (refusal) check.refuse(key, *refusal);
  }
}

void check_budget(const RunConfig& config, config::Check& check) {
  const model::ModelConfig& model = config.model;
  const router::RouterConfig& router = model.router;
  const int layers = model.moe_layers();
  const int experts = model.experts.num_experts;
  if (config.budget.mode == budget::Mode::quota) {
    if (const auto fault = router::quota_fault(router)) check.refuse("budget.mode", *fault);
  }
  if (router.kind != router::RouterKind::softmoe) {
    if (router.top_k > experts) {
      check.refuse("model.router.top_k",
                   fmt::format("{} of {} experts: at most {}", router.top_k, experts, experts));
    }
    return;
  }
  const double mass = config.total_mass();
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
  check_totals(config, check);
}

void check_determinism(const RunConfig& config, config::Check& check) {
  const bool is_invariant = config.training.determinism == Determinism::layout_invariant;
  if (is_invariant && config.runtime.backend == Backend::cuda) {
    check.refuse("training.determinism",
                 "layout_invariant is for runtime.backend cpu or reference, and this run has cuda, "
                 "whose library picks its kernels by what it is given: choose repeatable");
  }
  if (is_invariant && config.parallel.max_received_rows > 0) {
    check.refuse("parallel.max_received_rows",
                 "waves cut the rows of a lane where the layout says, and training.determinism is "
                 "layout_invariant: choose 0 here, or repeatable there");
  }
}

bool check_sizes(const RunConfig& config, config::Check& check) {
  const std::pair<const char*, const std::vector<double>&> lists[] = {
      {"budget.layer_costs", config.budget.layer_costs},
      {"budget.layer_min", config.budget.layer_min},
      {"budget.layer_max", config.budget.layer_max}};
  bool all_fit = true;
  for (const auto& [key, list] : lists) {
    if (list.empty() || std::cmp_equal(list.size(), config.model.moe_layers())) continue;
    check.refuse(key, fmt::format("has {} numbers for {} layers with experts", list.size(),
                                  config.model.moe_layers()));
    all_fit = false;
  }
  return all_fit;
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
  reader.value("id", id, "name that ranks and coordinator share; empty: the configuration's hash");
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
  reader.section("coordinator", coordinator);
  reader.section("metrics", metrics);
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

budget::ExecutionRange execution_range(const RunConfig& config) {
  const int layers = config.model.moe_layers();
  const int cap = router::expert_cap(config.model.router, config.total_mass() / layers,
                                     config.model.experts.num_experts);
  return {.num_layers = layers,
          .floor = config.model.router.floor,
          .cap_sum = static_cast<double>(layers) * cap};
}

budget::RouterDefaults router_defaults(const RunConfig& config) {
  return {.soft_mass = config.total_budget(), .alpha = config.model.router.temperature};
}

std::optional<FixedPoint> exact_gradients(const RunConfig& config) {
  return training::exact_gradients(config.training, config.model.positions);
}

training::MetricsShape metrics_shape(const RunConfig& config) {
  return {.layers = config.model.moe_layers(),
          .experts = config.model.experts.num_experts,
          .top_experts = config.metrics.top_experts};
}

config::Loaded<RunConfig> load_run_config(const config::Source& source,
                                          std::span<const std::string> overrides, int world) {
  config::Loaded<RunConfig> loaded = config::load<RunConfig>(source, overrides);
  config::Check check(loaded.origins);
  const bool all_fit = check_sizes(loaded.value, check);
  check_experts(loaded.value, world, check);
  check_determinism(loaded.value, check);
  if (all_fit) check_budget(loaded.value, check);
  check.throw_if_refused();
  return loaded;
}

}  // namespace softmoe::launcher
