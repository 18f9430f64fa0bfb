#include "bench/layer_rank.h"

#include <cmath>

#include "bench/shape.h"
#include "bench/uploaded.h"
#include "runtime/base/philox.h"
#include "runtime/ops/elementwise.h"

namespace softmoe::bench {

LayerRank::LayerRank(const launcher::RunConfig& config, const Tokens& tokens,
                     parallel::Communicator& ep, Workspace& work)
    : config_(config),
      work_(work),
      placement_(config.model.experts.num_experts, ep.size()),
      layer_(config.model.router, placement_, ep, {.chunks = config.parallel.exchange_chunks}),
      weights_(make_weights(placement_.experts_per_rank(), placement_.first_on(ep.rank()).value)),
      tokens_(tokens) {
  const std::int64_t hidden = config.model.hidden;
  const Shape shape_TH{tokens.count, hidden};
  const auto first = static_cast<std::uint64_t>(tokens.first * hidden);
  x_TH_ = numbers(shape_TH, first, 1.0, 5);
  d_y_TH_ = numbers(shape_TH, first, 1.0, 6);
  y_TH_ = numbers(shape_TH, first, 0.0, 7);
  d_x_TH_ = numbers(shape_TH, first, 0.0, 7);
  buffers_.push_back(uploaded(std::vector<double>{0.0}, work));
  d_k_ = buffers_.back().tensor(DType::f64, {1});
  const router::CountPlaces places{config.model.experts.num_experts};
  counts_ = uploaded(std::vector<std::int64_t>(static_cast<std::size_t>(places.size())), work);
  sums_ = uploaded(std::vector<double>(router::kNumRouteSums), work);
}

TensorView LayerRank::numbers(Shape shape, std::uint64_t first, double scale, std::uint32_t what) {
  std::vector<float> values(static_cast<std::size_t>(shape.elements()));
  const RandomKey key{.seed = config_.training.seed, .layer = what};
  for (std::size_t i = 0; scale != 0 && i < values.size(); ++i) {
    // Uniform with the deviation `scale`.
    const double word = uniform_from(philox(key, first + i)[0]);
    values[i] = static_cast<float>(scale * std::sqrt(12.0) * (word - 0.5));
  }
  buffers_.push_back(uploaded(values, work_));
  return buffers_.back().tensor(DType::f32, shape);
}

Parameter LayerRank::parameter(Shape shape, std::uint64_t first, double scale, std::uint32_t what) {
  return {.value = numbers(shape, first, scale, what), .gradient = numbers(shape, 0, 0.0, what)};
}

experts::MoeWeights LayerRank::make_weights(int experts_here, int first_expert) {
  const std::int64_t hidden = config_.model.hidden;
  const std::int64_t inner = config_.model.experts.inner;
  const auto first = static_cast<std::uint64_t>(first_expert * hidden * inner);
  const double scale_H = 1.0 / std::sqrt(static_cast<double>(hidden));
  const double scale_F = 1.0 / std::sqrt(static_cast<double>(inner));
  experts::MoeWeights weights;
  weights.router_EH = parameter({config_.model.experts.num_experts, hidden}, 0, scale_H, 1);
  weights.gain_1 = parameter({1}, 0, 1.0, 2);
  weights.ffn.gate_up_e2FH = parameter({experts_here, 2 * inner, hidden}, 2 * first, scale_H, 3);
  weights.ffn.down_eHF = parameter({experts_here, hidden, inner}, first, scale_F, 4);
  return weights;
}

void LayerRank::forward(const router::RoutePlan& given) {
  saved_mark_ = work_.saved.mark();
  layer_.forward(
      weights_, x_TH_, /*residual_TH=*/{}, y_TH_,
      {.setting = {.k = mean_experts(config_), .alpha = config_.model.router.temperature},
       .tokens = {.seed = config_.training.seed, .first_token = tokens_.first},
       .given = &given},
      {.counts = counts_.as<std::int64_t>(), .sums = sums_.as<double>()}, work_);
  work_.compute.synchronize();
}

void LayerRank::backward() {
  layer_.backward(weights_, d_y_TH_, /*onto_TH=*/{}, d_x_TH_, d_k_, work_);
  work_.compute.synchronize();
  work_.saved.release(saved_mark_);
}

}  // namespace softmoe::bench
