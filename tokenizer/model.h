#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace sentencepiece {
class SentencePieceProcessor;
}

namespace softmoe::tokenizer {

/// A trained tokenizer: text to ids without loss.
///
/// Encoding gives what sentencepiece gives for the whole document, but asks it only once for each
/// distinct word: a piece holds a space only at its front, so no merge crosses from the end of a
/// word into the next one, and a word with its leading spaces has the same ids wherever it stands.
class Model {
 public:
  /// @param bytes   the content of a model file.
  /// @param origin  names it in messages.
  /// @throws Failure (bad_data) if it is not a sentencepiece model, or not one that `train` makes:
  ///         without byte fallback, with a normaliser, with spaces inside pieces.
  Model(const std::string& bytes, const std::string& origin);
  ~Model();

  [[nodiscard]] int vocab_size() const;
  /// The id of `</s>`, which separates documents. `encode` never produces it.
  [[nodiscard]] std::int32_t end_of_document() const;
  /// fingerprint() of the model's bytes.
  [[nodiscard]] std::uint64_t fingerprint() const { return fingerprint_; }

  /// The ids of any bytes; an empty text has none. Not thread-safe: it remembers words.
  [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text);

  /// The piece table as JSON, one piece a line: what a program needs for decoding without
  /// sentencepiece. Types: `normal`, `byte`, `control`, `unknown`.
  [[nodiscard]] std::string piece_table_json() const;

 private:
  struct Ids {
    std::uint32_t begin;
    std::uint32_t count;
  };
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };

  void check_pieces(const std::string& origin);
  void check_losslessness(const std::string& origin);
  void append_bytes(std::string_view bytes, std::vector<std::int32_t>& ids) const;
  void append_words(std::string_view text, std::vector<std::int32_t>& ids);
  void append_word(std::string_view word, std::vector<std::int32_t>& ids);
  [[nodiscard]] std::string decode(const std::vector<std::int32_t>& ids) const;

  std::unique_ptr<sentencepiece::SentencePieceProcessor> processor_;
  std::uint64_t fingerprint_;
  std::int32_t byte_id_[256] = {};
  std::unordered_map<std::string, Ids, TextHash, std::equal_to<>> known_words_;
  std::vector<std::int32_t> known_ids_;
};

}  // namespace softmoe::tokenizer
