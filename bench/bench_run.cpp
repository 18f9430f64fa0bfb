#include "bench/bench_run.h"

#include <fmt/format.h>

#include <cmath>
#include <numeric>

#include "bench/synthetic_tokens.h"
#include "parallel/reduce.h"

namespace softmoe::bench {

namespace {

std::optional<training::Governor> make_governor(bool is_root, const launcher::RunConfig& config,
                                                budget::BudgetLink& link) {
  if (!is_root) return std::nullopt;
  return training::Governor(
      budget::planned_changes(config.budget, launcher::router_defaults(config)), link);
}

std::int64_t sum(const std::vector<std::int64_t>& numbers) {
  return std::accumulate(numbers.begin(), numbers.end(), std::int64_t{0});
}

}  // namespace

BenchRun::BenchRun(const launcher::RunConfig& config, launcher::RankSession& session)
    : session_(session),
      source_(synthetic_tokens(config)),
      model_({.config = config.model,
              .ep = *session.groups().ep,
              .total_mass = config.total_mass(),
              .seed = config.training.seed,
              .exchange_chunks = config.parallel.exchange_chunks},
             session.device(), session.work().compute),
      governor_(make_governor(session.is_root(), config, link_)),
      trainer_({.config = config.training,
                .optimizer = config.optimizer,
                .model = model_,
                .groups = session.groups(),
                .source = source_,
                .work = session.work(),
                .governor = governor_ ? &*governor_ : nullptr}) {}

const training::StepResult& BenchRun::step() {
  const training::StepResult& result = trainer_.step(/*requests=*/0);
  check(result);
  return result;
}

void BenchRun::check(const training::StepResult& result) {
  const auto world = static_cast<std::size_t>(session_.world().size());
  const auto rank = static_cast<std::size_t>(session_.world().rank().value);
  rows_.executed_L = result.record.executed_L;
  rows_.executed = sum(rows_.executed_L);
  rows_.received_W.assign(world, 0);
  rows_.received_W[rank] = result.rows_received;
  parallel::all_reduce_sum_on_host(std::span<std::int64_t>(rows_.received_W), session_.world(),
                                   session_.work().exchange);
  std::int64_t sent = result.rows_sent;
  parallel::all_reduce_sum_on_host(std::span(&sent, 1), session_.world(), session_.work().exchange);
  std::int64_t loads = 0;
  for (const router::RouteSummary& layer : result.layers) loads += sum(layer.loads);
  if (!std::isfinite(result.loss) || result.was_skipped) {
    throw InternalError(fmt::format("step {}: the loss or the gradient is not finite (loss {})",
                                    result.step(), result.loss));
  }
  if (sent != sum(rows_.received_W) || sent != rows_.executed || sent != loads) {
    throw InternalError(
        fmt::format("step {}: {} rows were sent, {} received, {} executed, and experts counted {}",
                    result.step(), sent, sum(rows_.received_W), rows_.executed, loads));
  }
}

}  // namespace softmoe::bench
