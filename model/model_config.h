#pragma once

#include <cstdint>

#include "experts/experts_config.h"
#include "router/router_config.h"

namespace softmoe::config {
class Reader;
class Check;
}  // namespace softmoe::config

namespace softmoe::model {

/// A decoder-only transformer with MoE layers. The defaults are the demo's.
struct ModelConfig {
  int vocabulary = 4096;  ///< V
  int positions = 256;    ///< S, longest sequence
  int layers = 4;         ///< all blocks, dense ones included
  int dense_layers = 0;   ///< so many first blocks have a plain FFN instead of experts
  int hidden = 256;       ///< H
  int heads = 4;
  int kv_heads = 2;        ///< divides heads
  int dense_inner = 1024;  ///< inner width of the plain FFN
  int shared_inner = 0;    ///< inner width of the shared expert that every token runs; 0: none
  bool tied_embeddings = true;
  double rope_theta = 10000.0;
  double norm_epsilon = 1e-5;
  experts::ExpertsConfig experts;
  router::RouterConfig router;

  [[nodiscard]] int moe_layers() const { return layers - dense_layers; }  ///< L
  [[nodiscard]] int head_size() const { return hidden / heads; }
  /// Columns of the fused projection: queries, keys, values.
  [[nodiscard]] int qkv_columns() const { return (heads + 2 * kv_heads) * head_size(); }

  void bind(config::Reader& reader);
  void validate(config::Check& check) const;
};

}  // namespace softmoe::model
