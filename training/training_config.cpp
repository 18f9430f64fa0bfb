#include "training/training_config.h"

#include "runtime/config/check.h"
#include "runtime/config/reader.h"

namespace softmoe::training {

void TrainingConfig::bind(config::Reader& reader) {
  using config::Range;
  reader.value("steps", steps, Range{.min = 1}, "optimizer steps");
  reader.value("lanes", lanes, Range{.min = 1, .max = 1 << 20},
               "micro-batches of a step over all ranks; part of the run, not of its layout");
  reader.value("lane_sequences", lane_sequences, Range{.min = 1, .max = 1 << 20},
               "sequences of one lane");
  reader.choice("recompute", recompute,
                {{"none", model::Recompute::none}, {"block", model::Recompute::block}},
                "what backward computes again instead of keeping it: nothing, or blocks, of which "
                "input and routing are kept; results are the same bits");
  reader.value("seed", seed, "of initial weights, data order and noise");
  reader.choice("determinism", determinism,
                {{"repeatable", Determinism::repeatable},
                 {"layout_invariant", Determinism::layout_invariant}},
                "equal bits of equal runs: on the same number of ranks, or on any");
  reader.value("evaluate_every", evaluate_every, Range{.min = 0},
               "steps between evaluations; 0: only at the end");
  reader.value("evaluate_sequences", evaluate_sequences, Range{.min = 1},
               "validation sequences of an evaluation during the run; the last one takes all");
  reader.value("save_every", save_every, Range{.min = 0},
               "steps between saves; 0: only at the end");
  reader.value("log_every", log_every, Range{.min = 1}, "steps between progress lines");
  reader.value("sample_tokens", sample_tokens, Range{.min = 0, .max = 1 << 20},
               "length of the text generated at the end; 0: none");
}

void TrainingConfig::validate(config::Check&) const {}

}  // namespace softmoe::training
