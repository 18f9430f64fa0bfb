#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/storage/file_system.h"
#include "training/corpus/corpus_info.h"
#include "training/data/token_file.h"

namespace softmoe::training {

/// One token file.
struct TokenFileSummary {
  std::string name;
  std::int64_t tokens = 0;
  std::int64_t documents = 0;  ///< ends of document in it; 0 without a piece table
};

/// How often an id occurs.
struct IdCount {
  std::int32_t id = 0;
  std::int64_t count = 0;
  std::string text;  ///< its bytes; empty for the end of a document and without a piece table
};

/// What `softmoe data inspect` shows.
struct CorpusInspection {
  std::optional<CorpusInfo> info;  ///< of the folder, if it is a corpus
  std::vector<TokenFileSummary> token_files;
  std::int64_t tokens = 0;
  std::int32_t largest_id = -1;
  std::int64_t distinct_ids = 0;
  std::vector<IdCount> most_frequent;  ///< by falling count, ties by id
  std::string sample;                  ///< text of the first tokens; empty without a piece table
};

/// What to look at, and how much.
struct InspectionOptions {
  TokenFormat format = TokenFormat::llmc;  ///< of a single file
  int num_frequent = 20;
  int sample_tokens = 200;
};

/// Reads every token of a corpus folder, or of one token file; a file takes its piece table from
/// the folder that it stands in, if there is one.
///
/// @throws StorageError  missing; bad_format if a file is not in llm.c's format or cut short, if an
/// id
///                       is outside the vocabulary, or if the counts of corpus.json do not hold.
[[nodiscard]] CorpusInspection inspect(storage::FileSystem& files,
                                       const storage::Path& folder_or_file,
                                       const InspectionOptions& options);

}  // namespace softmoe::training
