#include "bench/step_bench.h"

#include <fmt/format.h>

#include "bench/numbers.h"

namespace softmoe::bench {

namespace {

void add_kind(const std::string& name, std::vector<StepKind>& kinds) {
  if (name == "natural") {
    kinds.emplace_back(std::nullopt);
    return;
  }
  const std::string base = name.substr(0, name.find('+'));
  const auto workload = workload_named(base);
  if (!workload || (name != base && name != base + "+placed")) {
    throw ConfigError(fmt::format(
        "there is no workload '{}': take natural, W0 to W7, W0+placed to W7+placed, or all", name));
  }
  kinds.emplace_back(GivenRouting{.workload = *workload, .is_placed = name != base});
}

}  // namespace

std::vector<StepKind> step_kinds(const std::vector<std::string>& names) {
  std::vector<StepKind> kinds;
  for (const std::string& name : names) {
    if (name != "all") {
      add_kind(name, kinds);
      continue;
    }
    add_kind("natural", kinds);
    for (const char* each : {"W0", "W1", "W1+placed", "W2", "W2+placed", "W3", "W3+placed", "W4",
                             "W5", "W5+placed", "W6", "W6+placed", "W7", "W7+placed"})
      add_kind(each, kinds);
  }
  return kinds;
}

StepBench::StepBench(const launcher::RunConfig& config, launcher::RankSession& session)
    : config_(config),
      session_(session),
      run_(config, session),
      plans_(config, session.groups().topology, session.work()) {}

void StepBench::run_block(const StepKind& kind, int steps, StepFigures* figures) {
  run_.trainer().set_given_plans(nullptr);
  if (kind) run_.trainer().set_given_plans([this](int lane) { return plans_.of_lane(lane); });
  for (int i = 0; i < steps; ++i) {
    if (kind) plans_.prepare(*kind, run_.trainer().next_step());
    const training::StepResult& result = run_.step();
    for (std::size_t layer = 0; kind && layer < result.layers.size(); ++layer) {
      if (result.layers[layer].loads != plans_.loads()[layer]) {
        throw InternalError(fmt::format("step {}, layer {}: experts did not run the rows of {}",
                                        result.step(), layer, name_of(kind->workload)));
      }
    }
    if (figures != nullptr)
      figures->add(result, run_.rows(), session_.groups().topology.expert_parallel);
  }
}

void StepBench::run_block_beside_ceiling(const StepKind& kind, int steps, StepFigures& figures) {
  const std::size_t begin = figures.seconds.size();
  run_block(kind, steps, &figures);
  const std::vector<double> step_seconds(
      figures.seconds.begin() + static_cast<std::ptrdiff_t>(begin), figures.seconds.end());
  std::vector<double> pass_seconds;
  for (int i = 0; i < steps; ++i) pass_seconds.push_back(ceiling_pass(run_.rows().executed_L));
  figures.ceiling_seconds.push_back(median(pass_seconds));
  figures.ceiling_ratio.push_back(median(pass_seconds) / median(step_seconds));
}

PeakBytes StepBench::peak() {
  return ceiling_ ? peak_before_ceiling_ : peak_bytes(session_);
}

double StepBench::ceiling_pass(const std::vector<std::int64_t>& rows_L) {
  if (!ceiling_) {
    peak_before_ceiling_ = peak_bytes(session_);
    ceiling_.emplace(config_, session_.world().size(), session_.work());
    ceiling_->run(rows_L);  // touches its memory
  }
  session_.world().barrier();
  const auto begin = std::chrono::steady_clock::now();
  ceiling_->run(rows_L);
  session_.world().barrier();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace softmoe::bench
