#include "model/transformer.h"

#include <fmt/format.h>

#include <cmath>

#include "runtime/ops/rows.h"

namespace softmoe::model {

struct Transformer::BlockIds {
  ParameterId attention_norm, qkv, attention_out, ffn_norm;
  std::optional<ParameterId> gate_up, down;                              // plain or shared
  std::optional<ParameterId> router, gain, expert_gate_up, expert_down;  // experts
};

namespace {

experts::ExpertPlacement placement_of(const Transformer::Options& options) {
  return {options.config.experts.num_experts, options.ep.size()};
}

}  // namespace

Transformer::Transformer(const Options& options, Device& device, Stream& stream)
    : config_(&options.config),
      parameters_(options.dtype, placement_of(options).first_on(options.ep.rank())),
      routing_(options.config, options.total_mass, device, stream) {
  const ModelConfig& config = *config_;
  const Shape table{config.vocabulary, config.hidden};
  // The residual stream starts at unit size, so that a block's first contribution does not drown
  // which token it is about; a table that is also the output projection starts with scores of unit
  // size instead.
  const double unit_scores = 1.0 / std::sqrt(static_cast<double>(config.hidden));
  embedding_ = parameters_.add({.name = "embedding",
                                .shape = table,
                                .init_std = config.tied_embeddings ? unit_scores : 1.0});
  output_ =
      config.tied_embeddings
          ? embedding_
          : parameters_.add({.name = "output", .shape = table, .init_std = 0.1 * unit_scores});
  std::vector<BlockIds> ids;
  for (int layer = 0; layer < config.layers; ++layer) {
    ids.push_back(declare_block(layer, placement_of(options).experts_per_rank()));
  }
  final_norm_ = parameters_.add({.name = "final_norm",
                                 .shape = {config.hidden},
                                 .group = ParameterGroup::vector,
                                 .init_value = 1.0});
  eta_ = parameters_.add({.name = "layer_means",
                          .shape = {config.moe_layers()},
                          .group = ParameterGroup::layer_means});
  parameters_.allocate(options.seed, device, stream);
  for (int layer = 0; layer < config.layers; ++layer) {
    build_block(layer, ids[static_cast<std::size_t>(layer)], options);
  }
  head_.emplace(Norm(parameters_[final_norm_], config.norm_epsilon), parameters_[output_]);
}

Transformer::BlockIds Transformer::declare_block(int layer, int experts_here) {
  const ModelConfig& c = *config_;
  const std::string prefix = fmt::format("layers.{}.", layer);
  const auto fan_in = [](std::int64_t inputs) {
    return 1.0 / std::sqrt(static_cast<double>(inputs));
  };
  // Projections into the residual stream start smaller, so that its variance does not grow with
  // depth.
  const double into_residual = 1.0 / std::sqrt(2.0 * c.layers);
  const auto matrix = [&](const char* name, Shape shape, double std) {
    return parameters_.add({.name = prefix + name, .shape = shape, .init_std = std});
  };
  const auto ones = [&](const char* name, std::int64_t size) {
    return parameters_.add({.name = prefix + name,
                            .shape = {size},
                            .group = ParameterGroup::vector,
                            .init_value = 1.0});
  };
  const auto expert = [&](const char* name, Shape shape, double std) {
    return parameters_.add(
        {.name = prefix + name, .shape = shape, .space = Space::expert, .init_std = std});
  };

  BlockIds ids;
  ids.attention_norm = ones("attention.norm", c.hidden);
  ids.qkv = matrix("attention.qkv", {c.qkv_columns(), c.hidden}, fan_in(c.hidden));
  ids.attention_out = matrix("attention.out", {c.hidden, c.heads * c.head_size()},
                             fan_in(c.heads * c.head_size()) * into_residual);
  ids.ffn_norm = ones("ffn.norm", c.hidden);
  const bool is_dense = layer < c.dense_layers;
  const int inner = is_dense ? c.dense_inner : c.shared_inner;
  if (inner > 0) {
    ids.gate_up = matrix(is_dense ? "ffn.gate_up" : "shared.gate_up", {2 * inner, c.hidden},
                         fan_in(c.hidden));
    ids.down = matrix(is_dense ? "ffn.down" : "shared.down", {c.hidden, inner},
                      fan_in(inner) * into_residual);
  }
  if (!is_dense) {
    ids.router = parameters_.add({.name = prefix + "router.weight",
                                  .shape = {c.experts.num_experts, c.hidden},
                                  .group = ParameterGroup::router,
                                  .init_std = fan_in(c.hidden)});
    ids.gain = ones("router.gain", 1);
    const int inner_expert = c.experts.inner;
    ids.expert_gate_up =
        expert("experts.gate_up", {experts_here, 2 * inner_expert, c.hidden}, fan_in(c.hidden));
    ids.expert_down = expert("experts.down", {experts_here, c.hidden, inner_expert},
                             fan_in(inner_expert) * into_residual);
  }
  return ids;
}

void Transformer::build_block(int layer, const BlockIds& ids, const Options& options) {
  BlockWeights weights{.attention = {.norm_H = parameters_[ids.attention_norm],
                                     .qkv = parameters_[ids.qkv],
                                     .out = parameters_[ids.attention_out]},
                       .ffn_norm_H = parameters_[ids.ffn_norm],
                       .feed_forward = {},
                       .moe = {}};
  if (ids.gate_up) {
    weights.feed_forward =
        FeedForwardWeights{.gate_up = parameters_[*ids.gate_up], .down = parameters_[*ids.down]};
  }
  std::unique_ptr<experts::MoeLayer> moe;
  if (ids.router) {
    weights.moe = experts::MoeWeights{.router_EH = parameters_[*ids.router],
                                      .gain_1 = parameters_[*ids.gain],
                                      .ffn = {.gate_up_e2FH = parameters_[*ids.expert_gate_up],
                                              .down_eHF = parameters_[*ids.expert_down]}};
    moe = std::make_unique<experts::MoeLayer>(
        config_->router, experts::ExpertPlacement(config_->experts.num_experts, options.ep.size()),
        options.ep, options.exchange_chunks);
  }
  blocks_.emplace_back(*config_, layer, weights, std::move(moe));
}

void Transformer::add_loss(const Batch& batch, const StepContext& context, TensorView loss_sum,
                           Workspace& work) {
  const ArenaScope saved(work.saved);
  const TensorView x_TH = run_blocks(batch, context, embed(batch, work), nullptr, work);
  head_->add_loss(batch, x_TH, loss_sum, work);
}

void Transformer::add_loss_and_gradient(const Batch& batch, const StepContext& context,
                                        TensorView loss_sum, Workspace& work) {
  const ArenaScope saved(work.saved);
  const ArenaScope scratch(work.scratch);
  const TensorView x_TH = run_blocks(batch, context, embed(batch, work), nullptr, work);
  const TensorView d_x_TH = work.scratch.push(x_TH.dtype(), x_TH.shape());
  head_->add_loss_and_gradient(batch, x_TH, d_x_TH, loss_sum, work);
  for (int layer = config_->layers - 1; layer >= 0; --layer) {
    const bool is_dense = layer < config_->dense_layers;
    const TensorView d_k = is_dense ? TensorView{} : routing_.d_k(layer - config_->dense_layers);
    blocks_[static_cast<std::size_t>(layer)].backward(batch, d_x_TH, d_k, work);
  }
  const PhaseScope phase(work.progress, Phase::embedding);
  accumulate(parameters_[embedding_], [&](TensorView d_table, double) {
    ops::add_to_rows(d_x_TH, batch.token_T, d_table, work.compute);
  });
}

void Transformer::decode(const Batch& batch, const StepContext& context, KvCache& cache,
                         TensorView logits_BV, Workspace& work) {
  const ArenaScope saved(work.saved);
  const TensorView x_TH = run_blocks(batch, context, embed(batch, work), &cache, work);
  head_->last_logits(batch, x_TH, logits_BV, work);
  cache.advance(batch.positions);
}

const experts::MoeLayer& Transformer::moe(int moe_layer) const {
  return *blocks_[static_cast<std::size_t>(config_->dense_layers + moe_layer)].moe();
}

TensorView Transformer::embed(const Batch& batch, Workspace& work) const {
  const PhaseScope phase(work.progress, Phase::embedding);
  const TensorView x_TH = work.saved.push(parameters_.dtype(), {batch.tokens(), config_->hidden});
  ops::gather_rows(parameters_[embedding_].value, batch.token_T, x_TH, work.compute);
  return x_TH;
}

TensorView Transformer::run_blocks(const Batch& batch, const StepContext& context, TensorView x_TH,
                                   KvCache* cache, Workspace& work) {
  for (int layer = 0; layer < config_->layers; ++layer) {
    x_TH = blocks_[static_cast<std::size_t>(layer)].forward(
        batch, x_TH, routing_of(layer, batch, context), cache, work);
  }
  return x_TH;
}

BlockRouting Transformer::routing_of(int layer, const Batch& batch,
                                     const StepContext& context) const {
  const int moe_layer = layer - config_->dense_layers;
  if (moe_layer < 0) return {};
  BlockRouting routing{.arguments = {.setting = routing_.setting(moe_layer),
                                     .tokens = {.seed = context.seed,
                                                .step = context.step,
                                                .first_token = batch.first_token,
                                                .token_id_T = batch.token_T},
                                     .mode = context.mode},
                       .statistics = routing_.statistics(moe_layer)};
  if (!context.quota_L.empty())
    routing.arguments.setting.quota = context.quota_L[static_cast<std::size_t>(moe_layer)];
  if (!context.given.empty())
    routing.arguments.given = &context.given[static_cast<std::size_t>(moe_layer)];
  return routing;
}

}  // namespace softmoe::model
