#pragma once

#include <cstdint>

#include "model/model_config.h"

namespace softmoe::model {

/// Parameters by where they are and who runs them.
struct ParameterCounts {
  std::int64_t dense = 0;       ///< every token runs them; embeddings included
  std::int64_t per_expert = 0;  ///< one expert of one layer
  std::int64_t experts = 0;     ///< all experts of all layers

  [[nodiscard]] std::int64_t total() const { return dense + experts; }
};
[[nodiscard]] ParameterCounts count_parameters(const ModelConfig& config);

/// Floating-point operations of matrix products of one training step, 2 m n k each and backward
/// twice the forward pass: projections, the causal half of attention, the router, `rows` expert
/// executions (all layers together) and the output. Elementwise work is not counted.
/// @param tokens    tokens of the step
/// @param positions of one sequence
[[nodiscard]] double training_flops(const ModelConfig& config, std::int64_t tokens,
                                    std::int64_t positions, std::int64_t rows);

}  // namespace softmoe::model
