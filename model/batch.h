#pragma once

// Letters: B sequences, S positions, T = B * S tokens.

#include <cstdint>

#include "runtime/device/view.h"

namespace softmoe::model {

/// Tokens that go through the model together on this rank, sequence after sequence. T may be 0.
struct Batch {
  std::int64_t sequences = 0;           ///< B
  std::int64_t positions = 0;           ///< S, equal for all sequences of the batch
  View<const std::int32_t> token_T;     ///< vocabulary ids
  View<const std::int32_t> position_T;  ///< place of each token in its sequence
  View<const std::int32_t> target_T;    ///< next token; negative: no loss. Empty for inference
  std::int64_t first_token = 0;         ///< global id of token 0: gate noise and hashing key on it

  [[nodiscard]] std::int64_t tokens() const { return sequences * positions; }
};

}  // namespace softmoe::model
