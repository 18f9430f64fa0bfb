#include "model/transformer_parameters.h"

#include <fmt/format.h>

#include <cmath>

namespace softmoe::model {

namespace {

BlockIds declare_block(const ModelConfig& c, int layer, int experts_here,
                       ParameterStore& parameters) {
  const std::string prefix = fmt::format("layers.{}.", layer);
  const auto fan_in = [](std::int64_t inputs) {
    return 1.0 / std::sqrt(static_cast<double>(inputs));
  };
  // Projections into the residual stream start smaller, so that its variance does not grow with
  // depth.
  const double into_residual = 1.0 / std::sqrt(2.0 * c.layers);
  const auto matrix = [&](const char* name, Shape shape, double std) {
    return parameters.add({.name = prefix + name, .shape = shape, .init_std = std});
  };
  const auto ones = [&](const char* name, std::int64_t size) {
    return parameters.add({.name = prefix + name,
                           .shape = {size},
                           .group = ParameterGroup::vector,
                           .init_value = 1.0});
  };
  const auto expert = [&](const char* name, Shape shape, double std) {
    return parameters.add(
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
    ids.router = parameters.add({.name = prefix + "router.weight",
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

}  // namespace

TransformerIds declare_parameters(const ModelConfig& config, int experts_here,
                                  ParameterStore& parameters) {
  TransformerIds ids;
  const Shape table{config.vocabulary, config.hidden};
  // The residual stream starts at unit size, so that a block's first contribution does not drown
  // which token it is about; a table that is also the output projection starts with scores of unit
  // size instead.
  const double unit_scores = 1.0 / std::sqrt(static_cast<double>(config.hidden));
  ids.embedding = parameters.add({.name = "embedding",
                                  .shape = table,
                                  .init_std = config.tied_embeddings ? unit_scores : 1.0});
  ids.output =
      config.tied_embeddings
          ? ids.embedding
          : parameters.add({.name = "output", .shape = table, .init_std = 0.1 * unit_scores});
  for (int layer = 0; layer < config.layers; ++layer) {
    ids.blocks.push_back(declare_block(config, layer, experts_here, parameters));
  }
  ids.final_norm = parameters.add({.name = "final_norm",
                                   .shape = {config.hidden},
                                   .group = ParameterGroup::vector,
                                   .init_value = 1.0});
  ids.eta = parameters.add({.name = "layer_means",
                            .shape = {config.moe_layers()},
                            .group = ParameterGroup::layer_means});
  return ids;
}

}  // namespace softmoe::model
