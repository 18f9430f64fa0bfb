#include "training/evaluation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "parallel/reduce.h"
#include "runtime/ops/elementwise.h"

namespace softmoe::training {

double Evaluation::perplexity() const {
  return std::exp(loss);
}

double Evaluation::experts_per_token() const {
  return std::accumulate(experts_per_token_L.begin(), experts_per_token_L.end(), 0.0);
}

Evaluator::Evaluator(const Parts& parts)
    : parts_(parts),
      loader_(parts.source, parts.lane_sequences, parts.work.compute.device()),
      loss_sum_(parts.work.compute.device(), Bytes(size_of(DType::f64))) {
  if (parts.model.parameters().exact()) {
    exact_.emplace(std::vector<View<double>>{loss_sum_.as<double>()}, parts.work.compute.device());
  }
}

Evaluation Evaluator::evaluate(const model::RoutingControl& control,
                               std::optional<std::int64_t> max_sequences) {
  if (max_sequences && *max_sequences < 1) {
    throw InvalidArgument(
        fmt::format("cannot evaluate over {} sequences: at least 1 is needed", *max_sequences));
  }
  const std::int64_t available = parts_.source.num_sequences();
  const std::int64_t num_sequences = std::min(max_sequences.value_or(available), available);

  Stream& stream = parts_.work.compute;
  parts_.model.begin_step(control, stream);
  ops::fill_zero(loss_sum_.tensor(DType::f64, {1}), stream);
  if (exact_) exact_->begin(stream);
  const std::int64_t per_round = std::int64_t{parts_.world.size()} * parts_.lane_sequences;
  const std::int64_t rounds = (num_sequences + per_round - 1) / per_round;
  for (std::int64_t round = 0; round < rounds; ++round) {
    add_lane(round * parts_.world.size() + parts_.world.rank().value, num_sequences);
  }
  Evaluation result = sum_over_ranks();
  expect(result.sequences == num_sequences, "an evaluation saw every sequence once");
  return result;
}

void Evaluator::add_lane(std::int64_t lane, std::int64_t num_sequences) {
  const std::int64_t begin = std::min(lane * parts_.lane_sequences, num_sequences);
  const std::int64_t end = std::min(begin + parts_.lane_sequences, num_sequences);
  lane_.resize(static_cast<std::size_t>(end - begin));
  std::iota(lane_.begin(), lane_.end(), begin);
  model::Batch batch;
  {
    const PhaseScope phase(parts_.work.progress, Phase::data);
    batch = loader_.load(lane_, begin * parts_.source.sequence_length(), parts_.work.compute);
  }
  parts_.model.add_loss(batch, {.seed = parts_.seed, .mode = router::RouteMode::inference},
                        loss_sum_.tensor(DType::f64, {1}), parts_.work);
  if (exact_) exact_->take_lane(parts_.work.compute);
}

Evaluation Evaluator::sum_over_ranks() {
  Workspace& work = parts_.work;
  const PhaseScope phase(work.progress, Phase::reduce);
  const model::RoutingState& routing = parts_.model.routing();
  const View<double> loss = loss_sum_.as<double>();
  if (exact_) {
    exact_->sum_over_ranks(parts_.world, work.scratch, work.compute);
  } else {
    parallel::all_reduce_sum(loss, parts_.world, work.scratch, work.compute);
  }
  parallel::all_reduce_sum(routing.counts(), parts_.world, work.scratch, work.compute);
  const HostCopy<double> landing_loss(loss, landed_loss_, work.compute);
  const HostCopy<std::int64_t> landing_counts(routing.counts(), landed_counts_, work.compute);
  const std::span<const std::int64_t> counts = landing_counts.wait();

  // Every layer counts every token.
  const router::CountPlaces places{parts_.model.config().experts.num_experts};
  Evaluation result;
  result.tokens = counts[static_cast<std::size_t>(places.tokens())];
  result.sequences = result.tokens / parts_.source.sequence_length();
  const auto tokens = static_cast<double>(result.tokens);
  result.loss = landing_loss.wait()[0] / tokens;
  result.soft_mass_L.assign(routing.means().begin(), routing.means().end());
  for (int layer = 0; layer < parts_.model.config().moe_layers(); ++layer) {
    const int rows = layer * routing.counts_per_layer() + places.rows();
    result.experts_per_token_L.push_back(
        static_cast<double>(counts[static_cast<std::size_t>(rows)]) / tokens);
  }
  return result;
}

}  // namespace softmoe::training
