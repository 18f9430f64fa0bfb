#pragma once

// Which tensors a transformer has, under which names, and how they start.

#include <optional>
#include <vector>

#include "model/model_config.h"
#include "model/parameter_store.h"

namespace softmoe::model {

struct BlockIds {
  ParameterId attention_norm, qkv, attention_out, ffn_norm;
  std::optional<ParameterId> gate_up, down;                              ///< plain or shared
  std::optional<ParameterId> router, gain, expert_gate_up, expert_down;  ///< experts
};

struct TransformerIds {
  ParameterId embedding;
  ParameterId output;  ///< the embedding where it is tied
  ParameterId final_norm;
  ParameterId eta;
  std::vector<BlockIds> blocks;
};

/// Declares all of them in a store that has no memory yet. A store that never takes memory says
/// how large they are.
/// @param experts_here  experts of a layer on this rank
TransformerIds declare_parameters(const ModelConfig& config, int experts_here,
                                  ParameterStore& parameters);

}  // namespace softmoe::model
