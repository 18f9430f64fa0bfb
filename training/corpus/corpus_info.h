#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/storage/file_system.h"

namespace softmoe::training {

// The files of a corpus folder, beside the token files `NAME_train_000000.bin`,
// `NAME_val_000000.bin`.
inline constexpr std::string_view kCorpusInfoFile = "corpus.json";
inline constexpr std::string_view kPieceTableFile = "pieces.json";
inline constexpr std::string_view kTokenizerModelFile = "tokenizer.model";  ///< only of `bpe`

/// One side of a corpus.
struct SplitInfo {
  std::vector<std::string> files;  ///< token files in order, names within the folder
  std::int64_t tokens = 0;         ///< with one end of document behind each document
  std::int64_t documents = 0;
  std::int64_t bytes = 0;  ///< of text
};

/// What `corpus.json` says.
struct CorpusInfo {
  std::string name;
  std::string source;     ///< what the text is, in words
  std::string tokenizer;  ///< `bpe` or `bytes`
  std::string tokenizer_hash;
  int vocab_size = 0;
  std::int32_t end_of_document = 0;
  std::int64_t duplicates = 0;  ///< documents left out, as their text stands in another one
  std::int64_t empty = 0;       ///< documents left out, as they have no text
  SplitInfo train;
  SplitInfo validation;

  [[nodiscard]] std::string to_json() const;
};

/// @throws StorageError missing if `folder` has no corpus.json, bad_format if it is not one.
[[nodiscard]] CorpusInfo read_corpus_info(storage::FileSystem& files, const storage::Path& folder);

/// Whether a model of `model_vocab_size` can learn this corpus; it may be larger (padded).
/// @throws ConfigError naming both sizes and the cure.
void check_vocabulary(const CorpusInfo& corpus, int model_vocab_size);

}  // namespace softmoe::training
