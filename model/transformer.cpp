#include "model/transformer.h"

#include "runtime/ops/accumulate.h"
#include "runtime/ops/elementwise.h"
#include "runtime/ops/rows.h"

namespace softmoe::model {

namespace {

experts::ExpertPlacement placement_of(const Transformer::Options& options) {
  return {options.config.experts.num_experts, options.ep.size()};
}

experts::Receiving receiving_of(const Transformer::Options& options) {
  const bool recomputes = options.recompute == Recompute::block;
  return {.chunks = options.exchange_chunks,
          .max_rows = options.max_received_rows,
          .keep = recomputes ? experts::Keep::plan : experts::Keep::rows,
          .determinism =
              options.exact_gradients ? Determinism::layout_invariant : Determinism::repeatable};
}

}  // namespace

Transformer::Transformer(const Options& options, Device& device, Stream& stream)
    : config_(&options.config),
      parameters_(options.dtype, placement_of(options).first_on(options.ep.rank()),
                  options.exact_gradients),
      routing_(options.config, options.total_mass, device, stream) {
  ids_ = declare_parameters(options.config, placement_of(options).experts_per_rank(), parameters_);
  parameters_.allocate(options.seed, device, stream);
  for (int layer = 0; layer < config_->layers; ++layer) build_block(layer, options);
  head_.emplace(Norm(parameters_[ids_.final_norm], config_->norm_epsilon),
                parameters_[ids_.output]);
}

void Transformer::build_block(int layer, const Options& options) {
  const BlockIds& ids = ids_.blocks[static_cast<std::size_t>(layer)];
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
        options.ep, receiving_of(options));
  }
  blocks_.emplace_back(*config_, layer, weights, std::move(moe), options.recompute);
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
  ops::accumulate(parameters_[ids_.embedding], work, [&](TensorView d_table, double beta) {
    if (beta == 0) ops::fill_zero(d_table, work.compute);
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
  ops::gather_rows(parameters_[ids_.embedding].value, batch.token_T, x_TH, work.compute);
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
