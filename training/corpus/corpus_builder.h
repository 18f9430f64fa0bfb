#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "runtime/storage/file_system.h"
#include "training/corpus/corpus_info.h"

namespace softmoe::training {

enum class TokenizerKind : std::uint8_t {
  bpe,    ///< byte pairs, trained on a sample of the training documents
  bytes,  ///< 256 bytes and the end of a document
};

/// What to build. Defaults suit a corpus of some ten megabytes.
struct CorpusOptions {
  storage::Path source;  ///< folder of *.txt, *.rst, *.md, also .gz, with all below it
  storage::Path output;  ///< folder that does not exist yet
  std::string name = "corpus";
  std::string description;  ///< goes to corpus.json; empty: the source folder's own name

  TokenizerKind tokenizer = TokenizerKind::bpe;
  int vocab_size = 4096;                   ///< of bpe
  std::int64_t sample_bytes = 10'000'000;  ///< text that bpe is trained on, at most
  storage::Path tokenizer_program;         ///< empty: tokenizer_program()
  std::chrono::milliseconds tokenizer_limit = std::chrono::minutes(30);  ///< for one answer of it

  double validation_fraction = 0.05;        ///< of the documents, about
  std::int64_t shard_tokens = 100'000'000;  ///< per token file, at most

  /// @throws ConfigError naming every value that is out of range.
  void validate() const;
};

/// How far build_corpus() is.
struct CorpusProgress {
  enum class Phase : std::uint8_t { read, train_tokenizer, encode };

  Phase phase = Phase::read;
  std::int64_t documents_done = 0;
  std::int64_t documents = 0;
  std::int64_t bytes_done = 0;  ///< of text
};

using CorpusProgressCallback = std::function<void(const CorpusProgress&)>;

/// Builds a corpus from a folder of text: token files for training and validation, the piece table,
/// the tokenizer's model and corpus.json, see corpus_info.h.
///
/// Every text is read and checked before anything is written. Documents are split by name
/// (split_documents); one with the text of an earlier one is left out, so that validation text is
/// never trained on. The tokenizer sees training documents only. Behind each document stands the
/// end of a document. Equal sources and options give equal bytes in every file.
///
/// All is written to a folder beside `output` that is renamed at the end, and removed on failure:
/// under its name a corpus is whole and durable, or not there.
///
/// @throws ConfigError   options out of range, output exists, no or one document in the source.
/// @throws StorageError  a text cannot be read, is not UTF-8; text too small for the vocabulary;
/// the
///                       place cannot be written; the tokenizer failed (see ChildProcess).
CorpusInfo build_corpus(storage::FileSystem& files, const CorpusOptions& options,
                        const CorpusProgressCallback& report);

}  // namespace softmoe::training
