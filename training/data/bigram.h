#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "training/data/pair_counts.h"
#include "training/data/token_source.h"

namespace softmoe::training {

/// The baseline that any language model has to beat: the next token from the one before it.
///
///   p(b)     = (c(b) + 1) / (N + V)
///   p(b | a) = (c(a, b) + s p(b)) / (c(a) + s)
///
/// with c the counts over the training tokens, N their number and V the size of the vocabulary: the
/// bigram frequency, interpolated with the unigram by the weight s / (c(a) + s), which fades as the
/// context a is seen more often (MacKay and Peto, "A hierarchical Dirichlet language model", 1995).
/// The one parameter s is chosen on training tokens held back for it, never on validation tokens.
class BigramModel {
 public:
  /// @param vocab_size        V; every token handed over is in [0, V).
  /// @param backoff_strength  s > 0.
  explicit BigramModel(std::int64_t vocab_size, double backoff_strength = 1.0);

  /// Counts every token but the first as following the one before it.
  void count(std::span<const std::int32_t> tokens);
  /// Chooses the s under which `held_out`, not counted before, has the smallest mean loss.
  void tune(std::span<const std::int32_t> held_out);

  [[nodiscard]] std::int64_t vocab_size() const { return std::ssize(count_V_); }
  [[nodiscard]] double backoff_strength() const { return backoff_strength_; }
  /// -ln p(next | previous), in nats.
  [[nodiscard]] double loss(std::int32_t previous, std::int32_t next) const;
  /// The sum of the losses of all tokens but the first, in nats.
  [[nodiscard]] double total_loss(std::span<const std::int32_t> tokens) const;

 private:
  [[nodiscard]] double unigram(std::int32_t token) const {
    return (static_cast<double>(count_V_[token]) + 1.0) /
           static_cast<double>(num_counted_ + std::ssize(count_V_));
  }

  PairCounts pairs_;
  std::vector<std::int64_t> context_count_V_;  ///< as the token before
  std::vector<std::int64_t> count_V_;          ///< as the token after
  std::int64_t num_counted_ = 0;
  double backoff_strength_;
};

/// Trains the baseline on all tokens of `train`: s is tuned on the last tenth of them (at most 2^20
/// tokens) against the counts of the rest, and then these are counted too.
/// @throws InvalidArgument if there are fewer than 20 tokens; StorageError bad_format if one is not
///         in the vocabulary of `train`.
[[nodiscard]] BigramModel fit_bigram(const TokenSource& train);

/// The mean loss in nats per token over the targets of the first `num_sequences` sequences: the
/// very tokens over which a model is evaluated.
/// @throws InvalidArgument if there are not so many sequences, or the vocabulary of `validation` is
///         larger than the model's; StorageError bad_format if a token is not in it.
[[nodiscard]] double mean_loss(const BigramModel& model, const TokenSource& validation,
                               std::int64_t num_sequences);

}  // namespace softmoe::training
