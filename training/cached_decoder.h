#pragma once

// Letters: B sequences of this rank, S positions of a call, T = B * S tokens, V vocabulary.

#include <cstdint>
#include <span>
#include <vector>

#include "model/transformer.h"

namespace softmoe::training {

/// Sequences of equal length that grow together on this rank, with the keys and values of what they
/// hold so far: a call costs the new tokens only, and gives the logits that a full forward pass
/// over the whole sequences would give.
class CachedDecoder {
 public:
  struct Options {
    model::Transformer& model;   ///< outlives the decoder; its begin_step() says how tokens route
    Workspace& work;             ///< outlives the decoder
    std::int64_t sequences = 0;  ///< B; with 0 this rank's experts serve the others
    std::int64_t capacity = 0;   ///< positions that a sequence can reach
    std::uint64_t seed = 0;      ///< of the run that trained the model: hash routing reads it
  };

  explicit CachedDecoder(const Options& options);

  /// Appends S tokens to every sequence. Every rank that shares the experts makes the call.
  ///
  /// @param token_T  sequence after sequence, each in [0, V)
  /// @return fp32 [B, V] on the host: the logits after each sequence's last token; valid until the
  ///         next call
  /// @throws InvalidArgument naming the sizes if token_T is not [B * S] or the capacity is exceeded
  std::span<const float> append(std::span<const std::int32_t> token_T, std::int64_t positions);

  /// Positions that every sequence holds.
  [[nodiscard]] std::int64_t length() const { return cache_.length(); }

 private:
  [[nodiscard]] model::Batch upload_batch(std::span<const std::int32_t> token_T,
                                          std::int64_t positions);
  void bring_to_host(ConstTensorView logits_BV);

  Options options_;
  model::KvCache cache_;
  std::vector<std::int32_t> host_token_T_;
  std::vector<std::int32_t> host_position_T_;
  std::vector<float> logits_BV_;
};

}  // namespace softmoe::training
