#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/storage/file_system.h"

namespace softmoe::training {

/// The text behind every token id: all that is needed to turn ids into text.
///
/// Two kinds: `bpe`, exported by `softmoe-tokenizer`, and `bytes`, in which id i is the byte i and
/// 256 ends a document. Decoding is exact and piecewise: the text of ids put together is their
/// texts put together, so that generation may print id by id. A single text need not be valid
/// UTF-8, as a character may be spelt in several byte pieces.
class PieceTable {
 public:
  /// The byte-level table: 257 ids.
  [[nodiscard]] static PieceTable bytes();
  /// @param json    the content of a `pieces.json`.
  /// @param origin  names it in messages.
  /// @throws StorageError bad_format naming the piece that is wrong.
  [[nodiscard]] static PieceTable from_json(std::string_view json, const std::string& origin);
  /// @throws StorageError missing or bad_format.
  [[nodiscard]] static PieceTable load(storage::FileSystem& files, const storage::Path& path);

  [[nodiscard]] std::string to_json() const;

  /// Number of ids.
  [[nodiscard]] int vocab_size() const { return static_cast<int>(pieces_.size()); }
  /// The id that stands between documents; it has no text.
  [[nodiscard]] std::int32_t end_of_document() const { return end_of_document_; }
  /// `bpe` or `bytes`.
  [[nodiscard]] const std::string& tokenizer() const { return tokenizer_; }
  /// Equal for equal tokenizers: of the model file, not of this table. 16 hexadecimal digits.
  [[nodiscard]] const std::string& hash() const { return hash_; }

  /// The bytes of one id; none for control pieces. Valid for as long as the table.
  /// @throws InvalidArgument naming the id and the vocabulary size.
  [[nodiscard]] std::string_view text_of(std::int32_t id) const;
  /// @throws InvalidArgument as text_of().
  [[nodiscard]] std::string decode(std::span<const std::int32_t> ids) const;

 private:
  enum class Type : std::uint8_t { normal, byte, control, unknown };
  struct Piece {
    Type type;
    std::string name;  ///< as the tokenizer spells it: `▁the`, `<0x0A>`, `</s>`
    std::string text;
  };

  [[nodiscard]] static std::string_view name_of(Type type);
  [[nodiscard]] static Type type_named(std::string_view name);
  [[nodiscard]] static std::string text_behind(Type type, std::string_view name);
  void add(Type type, std::string name);

  std::vector<Piece> pieces_;
  std::int32_t end_of_document_ = 0;
  std::string tokenizer_;
  std::string hash_;
};

}  // namespace softmoe::training
