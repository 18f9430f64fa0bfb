#pragma once

#include <chrono>
#include <string>

#include "tokenizer/protocol.h"
#include "training/corpus/child_process.h"
#include "training/corpus/text_encoder.h"

namespace softmoe::training {

/// `softmoe-tokenizer` in the folder of the running program.
/// @throws ConfigError if it is not there, with the cure.
[[nodiscard]] storage::Path tokenizer_program();

/// How to start the tokenizer, and how long it may take for one answer.
struct TokenizerSettings {
  storage::Path program;
  std::chrono::milliseconds limit = std::chrono::minutes(10);
};

/// A running `softmoe-tokenizer encode`: one process for any number of texts. For one thread.
/// Errors are those of ChildProcess; after one the object cannot be used.
class TokenizerProcess final : public TextEncoder {
 public:
  /// Waits until the tokenizer has loaded the model.
  TokenizerProcess(const TokenizerSettings& settings, const storage::Path& model);

  /// @throws InvalidArgument if the text is longer than tokenizer::kMaxDocumentBytes.
  [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text) override;
  [[nodiscard]] std::string hash() const override;
  [[nodiscard]] int vocab_size() const { return static_cast<int>(greeting_.vocab_size); }
  [[nodiscard]] std::int32_t end_of_document() const {
    return static_cast<std::int32_t>(greeting_.end_of_document);
  }

  /// Ends the process and checks that it ended well. Without it the destructor kills it.
  void finish();

 private:
  ChildProcess process_;
  std::chrono::milliseconds limit_;
  tokenizer::Greeting greeting_;
  std::string answer_;
};

/// Trains a byte-pair tokenizer on `text` (UTF-8) and writes `<output>.model`.
/// @throws StorageError bad_format if the text is too small for the vocabulary, with the largest
///         that it allows; ConfigError if the vocabulary size is out of range.
void train_tokenizer(const TokenizerSettings& settings, std::string_view text, int vocab_size,
                     const storage::Path& output);

/// Writes the piece table of a model, see PieceTable.
void export_piece_table(const TokenizerSettings& settings, const storage::Path& model,
                        const storage::Path& output);

}  // namespace softmoe::training
