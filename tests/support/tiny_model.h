#pragma once

// A model small enough for finite differences, alone or as one of several ranks.

#include <cstdint>
#include <vector>

#include "model/transformer.h"
#include "tests/support/on_device.h"

namespace softmoe::test {

/// Every kind of parameter: a dense layer, two MoE layers with a shared expert, grouped-query
/// heads.
[[nodiscard]] model::ModelConfig tiny_config();

/// A batch of random tokens on the device of `on`.
/// @param first_token decides the tokens too, so that lanes differ
[[nodiscard]] model::Batch tiny_batch(OnDevice& on, const model::ModelConfig& config,
                                      std::int64_t sequences, std::int64_t positions,
                                      std::int64_t first_token = 0);

/// Moves every parameter a little, so that gains are not all 1 and eta is not all 0.
void shake(model::ParameterStore& parameters, double size, OnDevice& on);

/// One element of a flat space.
[[nodiscard]] double read_element(TensorView flat, std::int64_t index, OnDevice& on);
void write_element(TensorView flat, std::int64_t index, double value, OnDevice& on);

}  // namespace softmoe::test
