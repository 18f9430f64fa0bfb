#pragma once

// Letters: V vocabulary.

#include <cstdint>
#include <span>
#include <vector>

namespace softmoe::config {
class Reader;
}  // namespace softmoe::config

namespace softmoe::training {

/// How the next token is drawn from the logits. The restrictions apply in this order: temperature,
/// the k most probable, then the nucleus of what is left.
struct SamplingConfig {
  double temperature = 1.0;  ///< divides the logits; 0 takes the most probable token
  std::int64_t top_k = 0;    ///< only the k most probable tokens; 0: all
  double top_p = 1.0;        ///< only the fewest tokens whose probabilities reach p (the nucleus)
  std::uint64_t seed = 0;

  void bind(config::Reader& reader);
};

/// Which draw this is. A draw is a pure function of the seed, this, and the logits.
struct DrawPlace {
  std::int64_t sequence = 0;  ///< of the request
  std::int64_t position = 0;  ///< of the token to be drawn, in its sequence
};

/// Draws tokens by their probabilities softmax(logits / temperature), on the host.
///
/// Nucleus sampling: Holtzman et al., arXiv 1904.09751. Tokens of equal logits rank by their ids,
/// lowest first. Weights are exp((logit - largest) / temperature) in double, so neither large
/// logits nor small temperatures overflow. Keeps its memory: a draw allocates nothing after the
/// first.
class Sampler {
 public:
  /// A token that may be drawn.
  struct Candidate {
    std::int32_t token = 0;
    double probability = 0;
  };

  /// @throws InvalidArgument naming value and limit: temperature < 0, top_k < 0, top_p outside
  ///         (0, 1].
  explicit Sampler(const SamplingConfig& config);

  /// @param logits_V  finite or -infinity, which is never drawn; not all of them.
  /// @throws InvalidArgument naming the token if a logit is NaN or +infinity.
  [[nodiscard]] std::int32_t draw(std::span<const float> logits_V, const DrawPlace& place);

  /// What draw() draws from: falling probabilities, which sum to 1, ties by rising token. At
  /// temperature 0 the one token.
  [[nodiscard]] std::vector<Candidate> candidates(std::span<const float> logits_V);

 private:
  [[nodiscard]] bool is_greedy() const { return config_.temperature == 0; }
  void weigh(std::span<const float> logits_V);
  void rank();

  SamplingConfig config_;
  std::vector<Candidate> kept_;  ///< what may be drawn; weights in place of probabilities
  double kept_weight_ = 0;       ///< their sum
};

}  // namespace softmoe::training
