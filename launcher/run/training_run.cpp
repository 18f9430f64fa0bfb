#include "launcher/run/training_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "launcher/run/measured_peak.h"
#include "launcher/run/run_memory.h"
#include "launcher/run/together.h"
#include "model/flops.h"
#include "runtime/config/resolved_yaml.h"
#include "training/data/bigram.h"
#include "training/generation.h"
#include "training/model_file.h"

namespace softmoe::launcher {

namespace {

using training::RunState;

StopSignals::Launch launch_of(const LaunchEnvironment& environment) {
  return environment.expected ? StopSignals::Launch::by_launcher : StopSignals::Launch::alone;
}

std::optional<training::Governor> make_governor(bool is_root, const RunConfig& config,
                                                budget::BudgetLink& link) {
  if (!is_root) return std::nullopt;
  return training::Governor(budget::planned_changes(config.budget, router_defaults(config)), link);
}

std::optional<budget::ReplayLink> make_replay(std::optional<budget::ControlLog> log) {
  if (!log) return std::nullopt;
  return budget::ReplayLink(std::move(*log));
}

void say(const std::string& line) {
  fmt::print("{}\n", line);
  std::fflush(stdout);
}

}  // namespace

TrainingRun::TrainingRun(const config::Loaded<RunConfig>& loaded,
                         const LaunchEnvironment& environment,
                         std::optional<budget::ControlLog> replay)
    : loaded_(loaded),
      config_(loaded.value),
      session_(environment, config_),
      program_bytes_(program_bytes()),
      signals_(launch_of(environment)),
      data_(together(session_,
                     [this] {
                       return open_token_data(files_, config_.data, config_.model.positions,
                                              config_.model.vocabulary);
                     })),
      model_({.config = config_.model,
              .ep = *session_.groups().ep,
              .total_mass = config_.total_mass(),
              .seed = config_.training.seed,
              .exchange_chunks = config_.parallel.exchange_chunks,
              .max_received_rows = config_.parallel.max_received_rows,
              .recompute = config_.training.recompute,
              .exact_gradients = exact_gradients(config_)},
             session_.device(), session_.work().compute),
      evaluator_({.model = model_,
                  .world = session_.world(),
                  .source = data_.validation,
                  .work = session_.work(),
                  .lane_sequences = config_.training.lane_sequences,
                  .seed = config_.training.seed}),
      monitoring_(loaded, session_),
      supervision_(loaded, session_, say, monitoring_.for_supervision()),
      replay_(make_replay(std::move(replay))),
      link_(replay_ ? *replay_ : supervision_.link(),
            [this](const std::string& line) { folder_->add_control(line); }),
      governor_(make_governor(session_.is_root(), config_, link_)),
      trainer_({.config = config_.training,
                .optimizer = config_.optimizer,
                .model = model_,
                .groups = session_.groups(),
                .source = data_.train,
                .work = session_.work(),
                .governor = governor_ ? &*governor_ : nullptr}) {
  folder_ = together(session_, [this] { return open_folder(); });
  rates_.steps = config_.training.steps;
  rates_.layer_costs = config_.budget.layer_costs;
  rates_.peak_flops = measure_peak_flops(session_.world(), session_.work());
  monitoring_.begin(model_.parameters().dtype(), rates_);
}

ExitCode TrainingRun::run() {
  if (is_root()) announce();
  const bool was_stopped = train_until_stopped();
  monitoring_.finish();
  if (was_stopped) {
    monitoring_.enter(RunState::drain);
    save();
    supervision_.farewell(coordinator::Departure::drained, "asked to save and leave");
    if (is_root()) {
      folder_->add_event(training::event_json("drained", trainer_.next_step().value, ""));
      say(fmt::format("stopped after step {}; the model is in {}", trainer_.next_step().value,
                      folder_->model().string()));
    }
    return ExitCode::restart;
  }
  monitoring_.enter(RunState::evaluate);
  evaluate_now(std::nullopt);
  monitoring_.enter(RunState::save);
  save();
  monitoring_.enter(RunState::done);
  report();
  supervision_.farewell(coordinator::Departure::done, "all steps done");
  return ExitCode::done;
}

std::optional<training::RunFolder> TrainingRun::open_folder() {
  if (!is_root()) return std::nullopt;
  // All else that can be refused comes first, so a run that never starts leaves no folder.
  data_.train.check_vocabulary();
  data_.validation.check_vocabulary();
  const std::string name =
      config_.run.folder.empty() ? training::new_run_name() : config_.run.folder;
  training::RunFolder folder(files_, name);
  folder.write("config.yaml", config::resolved_yaml(loaded_));
  supervision_.publish(folder.path());
  monitoring_.publish(folder.path());
  return folder;
}

void TrainingRun::announce() {
  const model::ParameterCounts counts = model::count_parameters(config_.model);
  const parallel::Topology& topology = session_.groups().topology;
  say(
      fmt::format("softmoe: {:.2f} M parameters, {:.2f} M of them in {} experts of {} layers; {} "
                  "ranks, experts over {}",
                  static_cast<double>(counts.total()) * 1e-6,
                  static_cast<double>(counts.experts) * 1e-6, config_.model.experts.num_experts,
                  config_.model.moe_layers(), topology.world, topology.expert_parallel));
  say(
      fmt::format("data: {} training tokens, {} for validation; {} tokens a step; budget {:.2f} "
                  "experts per token",
                  data_.train.stream().num_tokens(), data_.validation.stream().num_tokens(),
                  std::int64_t{config_.training.lanes} * config_.training.lane_sequences *
                      config_.model.positions,
                  config_.total_budget()));
  say(fmt::format(
      "peak of matrix products, measured: {:.0f} GFLOP/s over all ranks; results go to {}",
      rates_.peak_flops * 1e-9, folder_->path().string()));
  say(supervision_.describe());
  say(monitoring_.describe());
  folder_->add_event(
      training::event_json("start", 0, fmt::format(R"({{"ranks":{}}})", topology.world)));
}

bool TrainingRun::train_until_stopped() {
  const training::TrainingConfig& training = config_.training;
  while (trainer_.next_step().value < training.steps) {
    monitoring_.enter(RunState::train);
    const training::StepResult& result = trainer_.step(signals_.requests());
    last_word_ = result.record.in_force;
    if (is_root()) log(result);
    monitoring_.observe(result, rates_);
    if (replay_) check_replay();
    const std::int64_t done = trainer_.next_step().value;
    if (last_word_.has(budget::Request::drain) || last_word_.has(budget::Request::stop))
      return true;
    const bool is_last = done == training.steps;
    if (!is_last && training.evaluate_every > 0 && done % training.evaluate_every == 0) {
      monitoring_.enter(RunState::evaluate);
      evaluate_now(training.evaluate_sequences);
    }
    const bool is_save_due = training.save_every > 0 && done % training.save_every == 0;
    if (!is_last && (is_save_due || last_word_.has(budget::Request::save))) {
      monitoring_.enter(RunState::save);
      save();
    }
  }
  return false;
}

void TrainingRun::check_replay() {
  together(session_, [this] {
    if (const auto& difference = replay_->difference()) {
      throw ConfigError(fmt::format(
          "the replay is another run: {}. It needs the program, the configuration, the data and "
          "the number of ranks of the logged one",
          *difference));
    }
    return 0;
  });
}

void TrainingRun::log(const training::StepResult& result) {
  std::int64_t rows = 0;
  for (const std::int64_t executed : result.record.executed_L) rows += executed;
  rates_.step_flops =
      model::training_flops(config_.model, result.record.tokens, config_.model.positions, rows);
  // A slowly moving mean, started at the first step, for the time that remains.
  constexpr double kWeight = 0.1;
  mean_seconds_ = mean_seconds_ == 0 ? result.seconds
                                     : (1 - kWeight) * mean_seconds_ + kWeight * result.seconds;
  rates_.seconds_per_step = mean_seconds_;
  folder_->add_metrics(training::metrics_json(result, rates_));
  if (result.was_skipped)
    folder_->add_event(training::event_json("skipped_not_finite", result.step(), ""));
  if (result.record_refused)
    say(fmt::format("budget: step {}: {}", result.step(), *result.record_refused));
  const std::int64_t done = result.step() + 1;
  if (done % config_.training.log_every == 0 || done == config_.training.steps) {
    say(training::progress_line(result, rates_));
  }
}

void TrainingRun::evaluate_now(std::optional<std::int64_t> sequences) {
  if (sequences) sequences = std::min(*sequences, data_.validation.num_sequences());
  const training::Evaluation evaluation =
      evaluator_.evaluate({.alpha = last_word_.alpha, .lambda = last_word_.lambda}, sequences);
  last_evaluation_ = evaluation;
  monitoring_.observe(evaluation);
  if (!is_root()) return;
  folder_->add_event(training::event_json("evaluation", trainer_.next_step().value,
                                          training::evaluation_json(evaluation)));
  say(fmt::format("step {}: validation loss {:.4f} over {} tokens", trainer_.next_step().value,
                  evaluation.loss, evaluation.tokens));
}

void TrainingRun::save() {
  training::ModelInfo info;
  if (is_root()) {
    info = {.step = trainer_.next_step(),
            .config_yaml = config::resolved_yaml(loaded_),
            .vocabulary = config_.model.vocabulary,
            .tokenizer_hash = data_.pieces ? data_.pieces->hash() : "",
            .routing = training::routing_of(model_, last_word_, governor_->state(),
                                            config_.training.seed)};
  }
  const storage::Path path = is_root() ? folder_->model() : storage::Path();
  fail_after_root(session_, [&] {
    training::save_model(
        {.model = model_, .groups = session_.groups(), .files = files_, .work = session_.work()},
        info, path);
  });
  if (is_root()) folder_->add_event(training::event_json("saved", trainer_.next_step().value, ""));
}

void TrainingRun::report() {
  const std::optional<std::string> text = sample();
  if (is_root()) print_results(text);
  const std::vector<RankMemory> memory_W =
      memory_of_ranks(program_bytes_, session_.world(), session_.work());
  if (!is_root()) return;
  const MemoryEstimate plan = estimate_memory(config_, {.world = session_.world().size()});
  say(memory_text(plan, memory_W));
  say(fmt::format("run folder: {}", folder_->path().string()));
  say(fmt::format("try: softmoe generate {} --prompt 'The kernel'", folder_->path().string()));
  folder_->add_event(
      training::event_json("done", trainer_.next_step().value, memory_json(plan, memory_W)));
}

void TrainingRun::print_results(const std::optional<std::string>& text) {
  const training::Evaluation& evaluation = *last_evaluation_;
  say("");
  say(fmt::format("validation loss     {:.4f} nats per token (perplexity {:.1f})", evaluation.loss,
                  evaluation.perplexity()));
  if (const auto bigram = bigram_loss()) {
    say(fmt::format("bigram model        {:.4f} nats per token on the same tokens", *bigram));
  }
  print_layers(evaluation);
  if (text) say(fmt::format("sample:\n{}", *text));
  say("");
}

void TrainingRun::print_layers(const training::Evaluation& evaluation) const {
  say("layer   learned mean k   experts run per token");
  double used = 0;
  for (std::size_t layer = 0; layer < evaluation.soft_mass_L.size(); ++layer) {
    say(fmt::format("{:>5}   {:>14.3f}   {:>21.3f}", layer, evaluation.soft_mass_L[layer],
                    evaluation.experts_per_token_L[layer]));
    used += evaluation.experts_per_token_L[layer];
  }
  say(fmt::format("total   {:>14.3f}   {:>21.3f}   budget {:.3f}",
                  model_.config().moe_layers() > 0 ? config_.total_mass() : 0.0, used,
                  config_.total_budget()));
}

std::optional<double> TrainingRun::bigram_loss() const {
  const training::BigramModel bigram = training::fit_bigram(data_.train);
  return training::mean_loss(bigram, data_.validation, last_evaluation_->sequences);
}

std::optional<std::string> TrainingRun::sample() {
  if (!data_.pieces || config_.training.sample_tokens == 0) return std::nullopt;
  // The text goes on from the end of a document: a new one begins.
  const std::int32_t begin = data_.pieces->end_of_document();
  const training::GenerationParts parts{.model = model_,
                                        .world = session_.world(),
                                        .work = session_.work(),
                                        .seed = config_.training.seed};
  const std::int64_t room = config_.model.positions - 1;
  const auto written = training::generate(
      parts,
      {.prompts = {{begin}},
       .max_tokens = std::min<std::int64_t>(config_.training.sample_tokens, room),
       .sampling = {.temperature = 0.8, .top_p = 0.95, .seed = config_.training.seed}},
      {.alpha = last_word_.alpha, .lambda = last_word_.lambda}, nullptr);
  return text_of(*data_.pieces, written[0]);
}

}  // namespace softmoe::launcher
