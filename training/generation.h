#pragma once

// Letters: W ranks of the world.

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "model/transformer.h"
#include "parallel/communicator.h"
#include "training/sampler.h"

namespace softmoe::training {

using TokenIds = std::vector<std::int32_t>;

/// What to write. Equal on all ranks but for `prompts`.
struct GenerationRequest {
  std::vector<TokenIds> prompts;  ///< at least one token each; read on rank 0 of the world
  std::int64_t max_tokens = 80;   ///< new tokens of each, at most
  std::optional<std::int32_t> end_of_document = {};  ///< ends a continuation and is no part of it
  SamplingConfig sampling = {};
};

/// A token as it is written, for streaming.
struct WrittenToken {
  std::int64_t prompt = 0;  ///< number of the prompt that it continues
  std::int64_t place = 0;   ///< in the continuation, from 0
  std::int32_t token = 0;
};
using TokenListener = std::function<void(const WrittenToken&)>;

/// What generation works with. All of it outlives the call.
struct GenerationParts {
  model::Transformer& model;
  parallel::Communicator& world;
  Workspace& work;  ///< its arenas hold the activations of max_sequences of the longest prompt
  std::int64_t max_sequences = 8;  ///< that a rank writes at a time
  std::uint64_t seed = 0;          ///< of the run that trained the model: hash routing reads it
};

/// Continues prompts token by token with a key-value cache. Every rank of the world makes the call.
///
/// A cache holds sequences of one length, so prompts of equal length go together, at most
/// W * max_sequences of them at a time, the shortest first. The sequences of such a group are dealt
/// to the ranks; every rank makes every step, without tokens of its own if it has no sequence,
/// because its experts serve the others. Drawn tokens are exchanged after every step, so all ranks
/// hold all continuations and stop together.
///
/// A draw depends on the seed, the number of the prompt and the position alone. So the text is the
/// same for any W, unless two tokens are as close as the rounding of their logits.
///
/// Routing is that of inference, under `control` as given; its settings and statistics are those of
/// the generation afterwards, until the next begin_step().
///
/// @param on_token  called for every token, step by step, by rising prompt within a step; empty
///                  where nobody listens. What it throws ends the generation on this rank.
/// @return the continuation of every prompt, equal on all ranks
/// @throws InvalidArgument, on all ranks and before anything ran, naming prompt and limit: an empty
///         prompt, a token outside the vocabulary, more tokens than the model has positions, or
///         settings that Sampler refuses.
[[nodiscard]] std::vector<TokenIds> generate(const GenerationParts& parts,
                                             const GenerationRequest& request,
                                             const model::RoutingControl& control,
                                             const TokenListener& on_token);

}  // namespace softmoe::training
