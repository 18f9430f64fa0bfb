#include "launcher/run/token_data.h"

#include <fmt/format.h>

#include <string_view>

namespace softmoe::launcher {

namespace {

using training::TokenSource;
using training::TokenStream;

std::vector<storage::Path> within(const storage::Path& folder,
                                  const std::vector<std::string>& names) {
  std::vector<storage::Path> paths;
  for (const std::string& name : names) paths.push_back(folder / name);
  return paths;
}

}  // namespace

std::string text_of(const training::PieceTable& pieces, std::span<const std::int32_t> ids) {
  static constexpr std::string_view kReplacement = "\uFFFD";
  std::string text;
  for (const std::int32_t id : ids) {
    text += id < pieces.vocab_size() ? pieces.text_of(id) : kReplacement;
  }
  return text;
}

TokenData open_token_data(storage::FileSystem& files, const training::DataConfig& config,
                          int positions, int vocabulary) {
  const auto source = [&](const std::vector<storage::Path>& shards) {
    return TokenSource(TokenStream(files, shards, config.format), positions, vocabulary);
  };
  if (config.corpus.empty()) {
    return {.train = source(training::find_shards(files, config.train)),
            .validation = source(training::find_shards(files, config.validation)),
            .corpus = {},
            .pieces = {}};
  }
  const storage::Path folder = config.corpus;
  if (!files.exists(folder / training::kCorpusInfoFile)) {
    throw StorageError(StorageError::Kind::missing,
                       fmt::format("there is no corpus in '{}' (data.corpus): build one with "
                                   "`softmoe data build --from TEXTS --to {}`, or name another",
                                   folder.string(), folder.string()));
  }
  training::CorpusInfo corpus = training::read_corpus_info(files, folder);
  training::check_vocabulary(corpus, vocabulary);
  return {.train = source(within(folder, corpus.train.files)),
          .validation = source(within(folder, corpus.validation.files)),
          .corpus = corpus,
          .pieces = training::PieceTable::load(files, folder / training::kPieceTableFile)};
}

}  // namespace softmoe::launcher
