#include "training/run_metrics.h"

#include <cmath>
#include <limits>

namespace softmoe::training {

namespace {

using metrics::Counter;
using metrics::Family;
using metrics::Gauge;
using metrics::Kind;
using metrics::Registry;

/// More than the budget by so much is a violation.
constexpr double kTolerance = 1.05;

Gauge gauge(Registry& registry, const char* name, const char* help) {
  return registry.gauge({.name = name, .help = help});
}

Counter counter(Registry& registry, const char* name, const char* help) {
  return registry.counter({.name = name, .kind = Kind::counter, .help = help});
}

const Family kInfo{.name = "softmoe_run_info",
                   .labels = {"version", "config_hash", "world_size", "expert_parallel", "layers",
                              "experts", "precision", "backend"},
                   .help = "Always 1: constant metadata of the run"};
const Family kSkipped{.name = "softmoe_train_steps_skipped_total",
                      .kind = Kind::counter,
                      .labels = {"reason"},
                      .help = "Steps whose update was discarded"};
const Family kState{.name = "softmoe_train_state",
                    .labels = {"state"},
                    .help = "1 for the state the run is in, else 0"};
const Family kDuration{
    .name = "softmoe_step_duration_seconds",
    .kind = Kind::histogram,
    .help = "Wall time of a step",
    .bounds = {0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60}};
const Family kLoss{
    .name = "softmoe_train_loss", .labels = {"kind"}, .help = "Loss per token in nats"};
const Family kEvaluation{.name = "softmoe_eval_loss",
                         .labels = {"dataset"},
                         .help = "Cross-entropy per token of the last evaluation, nats"};
const Family kNorm{
    .name = "softmoe_grad_norm", .labels = {"stage"}, .help = "Global norm of the mean gradient"};
const Family kRate{.name = "softmoe_learning_rate", .labels = {"group"}, .help = "Learning rate"};
const Family kScore{.name = "softmoe_loss_zscore",
                    .labels = {"kind"},
                    .help = "Last value against mean and deviation of the 128 before"};
const Family kMode{.name = "softmoe_budget_mode",
                   .labels = {"mode"},
                   .help = "1 for who holds the budget, else 0"};

constexpr std::array<const char*, kNumRunStates> kStates = {"init", "train", "evaluate",
                                                            "save", "drain", "done"};

}  // namespace

RunMetrics::RunMetrics(const Parts& parts)
    : detail_(affordable_detail(parts.shape, parts.config.expert_detail, parts.config.max_series)),
      sequences_per_step_(parts.facts.sequences_per_step),
      progress_(make_progress(parts.registry)),
      throughput_(make_throughput(parts.registry)),
      optimisation_(make_optimisation(parts.registry)),
      budget_(make_budget(parts.registry)),
      layers_(parts.registry, parts.shape.layers, parts.shape.experts),
      experts_({.registry = parts.registry,
                .shape = parts.shape,
                .detail = detail_,
                .expert_ranks = parts.facts.expert_parallel,
                .every = parts.config.every}) {
  for (const char* state : kStates) states_.push_back(parts.registry.gauge(kState, {state}));
  states_[static_cast<std::size_t>(state_)].set(1);
  tell_facts(parts);
  optimisation_.evaluation.set(std::numeric_limits<double>::quiet_NaN());
  progress_.last_step_time.set(parts.unix_time);
}

void RunMetrics::tell_facts(const Parts& parts) {
  Registry& registry = parts.registry;
  const RunFacts& facts = parts.facts;
  registry
      .gauge(kInfo, {facts.version, facts.config_hash, std::to_string(facts.world),
                     std::to_string(facts.expert_parallel), std::to_string(parts.shape.layers),
                     std::to_string(parts.shape.experts), facts.precision, facts.backend})
      .set(1);
  gauge(registry, "softmoe_world_size", "Ranks of the run").set(facts.world);
  gauge(registry, "softmoe_train_steps_target", "Step at which the run ends")
      .set(static_cast<double>(parts.rates.steps));
  gauge(registry, "softmoe_mfu_peak_flops",
        "Matrix-product FLOPs per second of all ranks, measured at the start: the denominator of "
        "MFU")
      .set(parts.rates.peak_flops);
  gauge(registry, "softmoe_metrics_detail_level",
        "Level of expert detail in force: 0 off, 1 summary, 2 buckets, 3 topk, 4 full")
      .set(static_cast<double>(detail_));
}

RunMetrics::Progress RunMetrics::make_progress(Registry& registry) {
  return {.step = gauge(registry, "softmoe_train_step", "Last completed optimizer step"),
          .steps = counter(registry, "softmoe_train_steps_total",
                           "Optimizer steps completed by this process"),
          .skipped = registry.counter(kSkipped, {"not_finite"}),
          .tokens = counter(registry, "softmoe_train_tokens_total", "Tokens consumed, all ranks"),
          .last_step_time = gauge(registry, "softmoe_train_last_step_timestamp_seconds",
                                  "Unix time of the last completed step"),
          .end_time = gauge(registry, "softmoe_train_eta_timestamp_seconds",
                            "Predicted Unix time of the end"),
          .data_position =
              gauge(registry, "softmoe_data_position_sequences", "Next sequence of the data order"),
          .duration = registry.histogram(kDuration)};
}

RunMetrics::Throughput RunMetrics::make_throughput(Registry& registry) {
  return {
      .tokens_per_second = gauge(registry, "softmoe_train_tokens_per_second",
                                 "Tokens per second of all ranks, last step"),
      .flops = counter(registry, "softmoe_train_model_flops_total",
                       "Matrix-product FLOPs of the model at the realised number of experts"),
      .mfu = gauge(registry, "softmoe_mfu_ratio", "Those FLOPs over the peak, last step, 0 to 1")};
}

RunMetrics::Optimisation RunMetrics::make_optimisation(Registry& registry) {
  return {
      .cross_entropy = registry.gauge(kLoss, {"cross_entropy"}),
      .balance = registry.gauge(kLoss, {"balance"}),
      .total = registry.gauge(kLoss, {"total"}),
      .evaluation = registry.gauge(kEvaluation, {"validation"}),
      .norm_raw = registry.gauge(kNorm, {"raw"}),
      .norm_clipped = registry.gauge(kNorm, {"clipped"}),
      .clipped = counter(registry, "softmoe_grad_clipped_total", "Steps in which clipping acted"),
      .rate_matrix = registry.gauge(kRate, {"matrix"}),
      .rate_router = registry.gauge(kRate, {"router"}),
      .rate_layer_means = registry.gauge(kRate, {"layer_means"}),
      .loss_score = registry.gauge(kScore, {"loss"}),
      .norm_score = registry.gauge(kScore, {"grad_norm"})};
}

RunMetrics::Budget RunMetrics::make_budget(Registry& registry) {
  const auto mode = [&](budget::Mode which) {
    return registry.gauge(kMode, {std::string(name_of(which))});
  };
  return {
      .target = gauge(registry, "softmoe_budget_target_experts",
                      "Budget: expert executions per token over all layers, weighted by layer "
                      "costs"),
      .used = gauge(registry, "softmoe_budget_used_experts",
                    "What the last step executed, in the same unit"),
      .used_ratio = gauge(registry, "softmoe_budget_used_ratio", "Used over target, last step"),
      .violations = counter(registry, "softmoe_budget_violations_total",
                            "Steps that used more than 5 % above the target"),
      .lambda = gauge(registry, "softmoe_budget_lambda",
                      "Shift of the truncation surface: the price of compute, in units of "
                      "alpha"),
      .revision = gauge(registry, "softmoe_budget_revision", "Revision of the set-points in force"),
      .alpha = gauge(registry, "softmoe_router_alpha", "Temperature of the soft top-k"),
      .modes = {mode(budget::Mode::off), mode(budget::Mode::servo), mode(budget::Mode::quota)}};
}

void RunMetrics::observe(const StepResult& result, const RateContext& context, double unix_time) {
  observe_progress(result, context, unix_time);
  throughput_.tokens_per_second.set(static_cast<double>(result.record.tokens) / result.seconds);
  throughput_.flops.add(context.step_flops);
  throughput_.mfu.set(
      context.peak_flops > 0 ? context.step_flops / result.seconds / context.peak_flops : 0);
  observe_optimisation(result);
  observe_budget(result, context);
  layers_.observe(result);
  experts_.observe(result);
}

void RunMetrics::observe_progress(const StepResult& result, const RateContext& context,
                                  double unix_time) {
  const std::int64_t done = result.step() + 1;
  progress_.step.set(static_cast<double>(done));
  progress_.steps.add(1);
  if (result.was_skipped) progress_.skipped.add(1);
  progress_.tokens.add(static_cast<double>(result.record.tokens));
  progress_.last_step_time.set(unix_time);
  progress_.end_time.set(unix_time +
                         context.seconds_per_step * static_cast<double>(context.steps - done));
  progress_.data_position.set(static_cast<double>(done * sequences_per_step_));
  progress_.duration.observe(result.seconds);
}

void RunMetrics::observe_optimisation(const StepResult& result) {
  Optimisation& to = optimisation_;
  to.cross_entropy.set(result.loss);
  to.balance.set(result.balance_loss);
  to.total.set(result.loss + result.balance_loss);
  to.norm_raw.set(result.gradient_norm);
  to.norm_clipped.set(result.gradient_norm * result.clip_factor);
  if (result.clip_factor < 1) to.clipped.add(1);
  to.rate_matrix.set(result.rates.matrix);
  to.rate_router.set(result.rates.router);
  to.rate_layer_means.set(result.rates.layer_means);
  to.loss_score.set(loss_score_.add(result.loss));
  to.norm_score.set(norm_score_.add(result.gradient_norm));
}

void RunMetrics::observe_budget(const StepResult& result, const RateContext& context) {
  const budget::ControlWord& word = result.record.in_force;
  const double used = budget::used_per_token(result.record, context.layer_costs);
  budget_.target.set(word.budget);
  budget_.used.set(used);
  budget_.used_ratio.set(word.budget > 0 ? used / word.budget : 0);
  if (used > kTolerance * word.budget) budget_.violations.add(1);
  budget_.lambda.set(word.lambda);
  budget_.revision.set(static_cast<double>(word.revision));
  budget_.alpha.set(word.alpha);
  for (std::size_t mode = 0; mode < budget_.modes.size(); ++mode) {
    budget_.modes[mode].set(mode == static_cast<std::size_t>(word.mode) ? 1 : 0);
  }
}

void RunMetrics::observe(const Evaluation& evaluation) {
  optimisation_.evaluation.set(evaluation.loss);
}

void RunMetrics::enter(RunState state) {
  if (state == state_) return;
  states_[static_cast<std::size_t>(state_)].set(0);
  states_[static_cast<std::size_t>(state)].set(1);
  state_ = state;
}

void RunMetrics::finish(double unix_time) {
  experts_.publish();
  progress_.end_time.set(unix_time);
}

}  // namespace softmoe::training
