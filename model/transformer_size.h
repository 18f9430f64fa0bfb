#pragma once

// What a lane takes from the arenas, on paper: the pushes of add_loss_and_gradient() in their
// order.

#include <cstdint>
#include <span>

#include "experts/moe_layer_size.h"
#include "model/model_config.h"
#include "model/recompute.h"

namespace softmoe::model {

/// One lane on one rank.
struct LaneSize {
  std::int64_t sequences = 0;
  std::int64_t positions = 0;
  int expert_parallel = 1;
  int exchange_chunks = 1;
  Recompute recompute = Recompute::none;
  bool has_quota = false;
  Determinism determinism = Determinism::repeatable;
  DType dtype = DType::f32;
  std::span<const experts::LayerRows> rows_L;  ///< of every MoE layer
};

/// What Transformer::add_loss_and_gradient() takes.
void measure_lane(const ModelConfig& config, const LaneSize& lane, WorkspaceMeasure& work);

}  // namespace softmoe::model
