#pragma once

// S: tokens of a sequence.

#include "training/data/token_stream.h"

namespace softmoe::training {

/// A stream cut into sequences of S + 1 tokens: the first S are inputs, the last S their targets.
/// Sequence i begins at token i·S, so every token but the first is a target once; the tokens that
/// fill no whole sequence at the end are left out. Documents are not kept apart: attention sees
/// over their boundaries. Several threads may read at once.
class TokenSource {
 public:
  /// @param vocab_size  tokens of the model; every token that is read is checked against it.
  /// @throws InvalidArgument if a size is not positive; StorageError bad_format, with the cure, if
  ///         the stream does not fill a single sequence.
  TokenSource(TokenStream stream, std::int64_t sequence_length, std::int64_t vocab_size);

  [[nodiscard]] std::int64_t num_sequences() const { return num_sequences_; }
  /// S.
  [[nodiscard]] std::int64_t sequence_length() const { return sequence_length_; }
  [[nodiscard]] std::int64_t vocab_size() const { return vocab_size_; }
  [[nodiscard]] const TokenStream& stream() const { return stream_; }

  /// @param sequence   in [0, num_sequences()).
  /// @param tokens_S1  [S + 1] is filled.
  /// @throws InvalidArgument on another size or sequence; StorageError bad_format if a token is not
  ///         in the vocabulary.
  void read(std::int64_t sequence, std::span<std::int32_t> tokens_S1) const;

  /// Reads all tokens once (TokenStream::check_vocabulary), so that no read() in a step can fail.
  void check_vocabulary() const { stream_.check_vocabulary(vocab_size_); }

 private:
  TokenStream stream_;
  std::int64_t sequence_length_;
  std::int64_t vocab_size_;
  std::int64_t num_sequences_;
};

}  // namespace softmoe::training
