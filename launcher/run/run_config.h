#pragma once

// The whole configuration of a run, and the rules across its sections.

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "budget/budget_config.h"
#include "budget/budget_limits.h"
#include "coordinator/coordinator_config.h"
#include "model/adamw_optimizer.h"
#include "model/model_config.h"
#include "parallel/parallel_config.h"
#include "runtime/base/fixed_point.h"
#include "runtime/config/load.h"
#include "training/data_config.h"
#include "training/metrics_config.h"
#include "training/metrics_size.h"
#include "training/training_config.h"

namespace softmoe::launcher {

/// Section `runtime`: what a rank runs on.
struct RuntimeConfig {
  Backend backend = Backend::cpu;
  int threads = 1;  ///< of one rank
  std::int64_t arena_bytes =
      std::int64_t{64} << 30;  ///< address space of each arena; only what is used costs memory

  void bind(config::Reader& reader);
  void validate(config::Check& check) const;
};

/// Section `run`: its name, and where results go.
struct FolderConfig {
  std::string id;      ///< what ranks and coordinator call it; empty: a hash of the configuration
  std::string folder;  ///< empty: a new folder under runs/, named by the time

  void bind(config::Reader& reader);
};

/// One YAML file.
struct RunConfig {
  FolderConfig run;
  model::ModelConfig model;
  budget::BudgetConfig budget;
  model::OptimizerConfig optimizer;
  training::TrainingConfig training;
  training::DataConfig data;
  parallel::ParallelConfig parallel;
  coordinator::CoordinatorConfig coordinator;
  training::MetricsConfig metrics;
  RuntimeConfig runtime;

  void bind(config::Reader& reader);

  /// K: the soft mass summed over layers.
  [[nodiscard]] double total_mass() const;
  /// B: the realised budget summed over layers.
  [[nodiscard]] double total_budget() const;
};

/// Which budgets the model can meet.
[[nodiscard]] budget::ExecutionRange execution_range(const RunConfig& config);
/// What the router's section says where the budget's is silent.
[[nodiscard]] budget::RouterDefaults router_defaults(const RunConfig& config);

/// How gradients are summed where the bits must not depend on the layout.
[[nodiscard]] std::optional<FixedPoint> exact_gradients(const RunConfig& config);

/// What sizes the pages of metrics.
[[nodiscard]] training::MetricsShape metrics_shape(const RunConfig& config);

/// Loads a document with `key=value` overrides and checks the rules across
/// sections: budget against floors and caps, soft mass against the simplex, experts against ranks,
/// determinism against the backend.
/// @param world  ranks of the run
/// @throws ConfigError with every mistake at its place
[[nodiscard]] config::Loaded<RunConfig> load_run_config(const config::Source& source,
                                                        std::span<const std::string> overrides,
                                                        int world);

}  // namespace softmoe::launcher
