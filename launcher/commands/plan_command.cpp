#include "launcher/commands/plan_command.h"

#include <fmt/format.h>

#include "launcher/plan/plan_report.h"
#include "launcher/plan/process_memory.h"
#include "launcher/run/launch_environment.h"
#include "launcher/run/measured_peak.h"
#include "launcher/run/rank_session.h"
#include "launcher/run/token_data.h"
#include "runtime/config/resolved_yaml.h"
#include "runtime/storage/posix_file_system.h"
#include "training/model_file.h"

namespace softmoe::launcher {

namespace {

/// An efficiency that nobody stated; it is printed as what it is.
constexpr double kAssumedEfficiency = 0.4;

/// Of one process of as many threads as a rank has, without MPI.
double measure_rate(RunConfig config) {
  config.parallel.expert_parallel = 0;
  RankSession session(LaunchEnvironment{}, config);
  return measure_peak_flops(session.world(), session.work());
}

SpeedBasis speed_of(const PlanOptions& options, const RunConfig& config) {
  return {.flops_per_rank = options.flops_per_rank ? *options.flops_per_rank : measure_rate(config),
          .is_measured = !options.flops_per_rank,
          .efficiency = options.efficiency.value_or(kAssumedEfficiency),
          .is_assumed = !options.efficiency};
}

/// A corpus that is not there yet is no mistake of a plan; one that does not fit is.
void add_corpus(const RunConfig& config, PlanReport& report) {
  storage::PosixFileSystem files;
  try {
    const TokenData data =
        open_token_data(files, config.data, config.model.positions, config.model.vocabulary);
    report.corpus = CorpusSize{.training_tokens = data.train.stream().num_tokens(),
                               .validation_tokens = data.validation.stream().num_tokens()};
  } catch (const StorageError& error) {
    if (error.kind() != StorageError::Kind::missing) throw;
    report.no_corpus = fmt::format("not there yet: {}", error.what());
  }
}

std::int64_t file_bytes(const config::Loaded<RunConfig>& loaded) {
  const RunConfig& config = loaded.value;
  const auto layers = static_cast<std::size_t>(config.model.moe_layers());
  training::ModelInfo info{.step = Step(config.training.steps),
                           .config_yaml = config::resolved_yaml(loaded),
                           .vocabulary = config.model.vocabulary};
  info.routing.soft_mass_L.assign(layers, config.total_mass() / static_cast<double>(layers));
  return training::model_file_bytes(config.model, DType::f32, info);
}

PageSize page_of(const RunConfig& config) {
  const training::MetricsShape shape = metrics_shape(config);
  const training::ExpertDetail detail =
      training::affordable_detail(shape, config.metrics.expert_detail, config.metrics.max_series);
  return {.is_served = config.metrics.is_served(),
          .detail = detail,
          .series = training::predicted_series(shape, detail),
          .note = training::explain_detail(shape, config.metrics)};
}

MemoryChoices choices_of(const RunConfig& config, const EstimateBasis& basis,
                         const MemoryLimit& limit) {
  using model::Recompute;
  RunConfig other = config;
  other.training.recompute =
      config.training.recompute == Recompute::none ? Recompute::block : Recompute::none;
  const EstimateBasis balanced{.world = basis.world};
  return {.balanced = estimate_receiving(config, balanced),
          .fullest = estimate_receiving(config, basis),
          .bound_that_fits = largest_bound_that_fits(config, basis, limit),
          .recompute = config.training.recompute,
          .other = other.training.recompute,
          .other_balanced = estimate_memory(other, balanced).total() + limit.program,
          .other_fullest = estimate_memory(other, basis).total() + limit.program};
}

PlanReport report_of(const PlanOptions& options, const config::Loaded<RunConfig>& loaded,
                     const EstimateBasis& basis, const MemoryLimit& limit) {
  const RunConfig& config = loaded.value;
  PlanReport report{.config = options.config_path.empty() ? "the defaults" : options.config_path,
                    .basis = basis,
                    .expert_parallel = expert_ranks(config, basis.world),
                    .budget = config.total_budget(),
                    .steps = config.training.steps,
                    .num_experts = config.model.experts.num_experts,
                    .moe_layers = config.model.moe_layers(),
                    .work = estimate_work(config),
                    .balanced = estimate_memory(config, {.world = basis.world}),
                    .fullest = estimate_memory(config, basis),
                    .limit = limit,
                    .choices = choices_of(config, basis, limit),
                    .traffic = estimate_traffic(config, basis.world),
                    .speed = speed_of(options, config),
                    .model_file_bytes = file_bytes(loaded),
                    .page = page_of(config),
                    .refusal = refuse_memory(config, basis, limit)};
  add_corpus(config, report);
  return report;
}

}  // namespace

ExitCode plan(const PlanOptions& options) {
  MemoryLimit limit{.program = resident_bytes()};
  if (!options.memory_per_rank.empty()) limit.bytes = parse_bytes(options.memory_per_rank);
  const auto expected = parallel::expected_world(options.expect_world, lookup_environment);
  const EstimateBasis basis{.world = expected ? expected->size : 1, .imbalance = options.imbalance};
  const config::Loaded<RunConfig> loaded =
      load_run_config(options.config_path.empty() ? config::Source::none()
                                                  : config::Source::file(options.config_path),
                      options.overrides, basis.world);
  const PlanReport report = report_of(options, loaded, basis, limit);
  fmt::print("{}", options.json ? plan_json(report) + "\n" : plan_text(report));
  if (!report.refusal) return ExitCode::done;
  std::fflush(stdout);
  throw ConfigError(*report.refusal);
}

}  // namespace softmoe::launcher
