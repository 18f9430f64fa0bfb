#pragma once

#include <cstdint>
#include <string>

#include "model/recompute.h"
#include "runtime/base/determinism.h"

namespace softmoe::config {
class Reader;
class Check;
}  // namespace softmoe::config

namespace softmoe::training {

/// The run itself. The defaults are the demo's.
struct TrainingConfig {
  std::int64_t steps = 300;
  int lanes = 4;  ///< micro-batches of a step, over all ranks: part of the run, not of its layout
  int lane_sequences = 8;                               ///< sequences of one lane
  model::Recompute recompute = model::Recompute::none;  ///< of blocks, to save memory
  std::uint64_t seed = 42;                              ///< of weights, data order and noise
  Determinism determinism = Determinism::repeatable;
  std::int64_t evaluate_every = 100;  ///< steps between evaluations; 0: only at the end
  int evaluate_sequences = 64;        ///< validation sequences of an evaluation during the run
  std::int64_t save_every = 0;        ///< steps between saves; 0: only at the end
  std::int64_t log_every = 1;         ///< steps between progress lines
  int sample_tokens = 80;             ///< length of the text generated at the end; 0: none

  void bind(config::Reader& reader);
  void validate(config::Check& check) const;
};

}  // namespace softmoe::training
