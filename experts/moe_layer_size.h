#pragma once

// What a pass of the MoE layer takes from the arenas, on paper: the pushes of moe_layer.cpp in
// their order. Letters: T tokens, H hidden, F inner width, E experts, P ranks.

#include <cstdint>

#include "experts/moe_memory.h"
#include "router/router_config.h"
#include "runtime/base/determinism.h"
#include "runtime/device/arena_measure.h"

namespace softmoe::experts {

/// Rows that one lane sends and receives in one layer on one rank.
struct LayerRows {
  double k = 1;                    ///< soft mass of the layer: it bounds the experts of a token
  std::int64_t rows_sent = 0;      ///< N
  std::int64_t rows_received = 0;  ///< M
  std::int64_t waves = 1;          ///< that they come in

  /// The most that a wave brings.
  [[nodiscard]] std::int64_t rows_at_once() const { return (rows_received + waves - 1) / waves; }
};

/// One layer on one rank.
struct MoeLayerSize {
  const router::RouterConfig& router;
  std::int64_t tokens = 0;  ///< T of a lane
  std::int64_t hidden = 0;  ///< H
  std::int64_t inner = 0;   ///< F
  int num_experts = 1;      ///< E
  int expert_parallel = 1;  ///< P
  int exchange_chunks = 1;  ///< as the layer takes it
  Keep keep = Keep::rows;   ///< likewise
  bool has_quota = false;   ///< budget mode quota
  Determinism determinism = Determinism::repeatable;
  DType dtype = DType::f32;  ///< of rows and weights
};

/// What MoeLayer::forward() takes. The tables of kernels are left out: some kilobytes for each
/// thread.
void measure_forward(const MoeLayerSize& layer, const LayerRows& rows, WorkspaceMeasure& work);
/// What MoeLayer::backward() takes.
void measure_backward(const MoeLayerSize& layer, const LayerRows& rows, WorkspaceMeasure& work);

}  // namespace softmoe::experts
