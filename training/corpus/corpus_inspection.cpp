#include "training/corpus/corpus_inspection.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "tokenizer/protocol.h"
#include "training/corpus/piece_table.h"

namespace softmoe::training {
namespace {

using storage::FileSystem;
using storage::Path;

constexpr std::int64_t kBlockTokens = 1 << 16;

[[noreturn]] void refuse(const Path& path, const std::string& why) {
  throw StorageError(StorageError::Kind::bad_format, fmt::format("{} {}", path.string(), why));
}

/// Goes through token files and counts.
class Inspector {
 public:
  Inspector(FileSystem& files, Path folder, const InspectionOptions& options)
      : files_(files), folder_(std::move(folder)), options_(options) {
    const Path table = folder_ / kPieceTableFile;
    if (files_.exists(table)) pieces_ = PieceTable::load(files_, table);
    counts_.resize(
        static_cast<std::size_t>(pieces_ ? pieces_->vocab_size() : tokenizer::kMaxVocabSize));
  }

  void read(const std::string& name, TokenFormat format);
  /// @throws StorageError bad_format unless the files just read hold what corpus.json says.
  void check(const SplitInfo& split, std::size_t first_file) const;
  [[nodiscard]] CorpusInspection finish();

  CorpusInspection result;

 private:
  [[nodiscard]] std::int64_t documents() const;

  FileSystem& files_;
  Path folder_;
  InspectionOptions options_;
  std::optional<PieceTable> pieces_;
  std::vector<std::int64_t> counts_;
  std::int64_t sampled_ = 0;
};

void Inspector::read(const std::string& name, TokenFormat format) {
  const TokenFile file(files_, folder_ / name, format);
  const std::int64_t documents_before = documents();
  std::vector<std::int32_t> block;
  for (std::int64_t begin = 0; begin < file.num_tokens(); begin += kBlockTokens) {
    block.resize(static_cast<std::size_t>(std::min(kBlockTokens, file.num_tokens() - begin)));
    file.tokens(begin, block);
    for (std::size_t i = 0; i < block.size(); ++i) {
      if (static_cast<std::size_t>(block[i]) >= counts_.size()) {
        refuse(folder_ / name,
               fmt::format("holds the id {} at token {}, but the vocabulary has {}; is its piece "
                           "table another corpus's?",
                           block[i], begin + static_cast<std::int64_t>(i), counts_.size()));
      }
      ++counts_[static_cast<std::size_t>(block[i])];
    }
    if (pieces_ && sampled_ < options_.sample_tokens) {
      const auto count = static_cast<std::size_t>(
          std::min<std::int64_t>(options_.sample_tokens - sampled_, std::ssize(block)));
      result.sample += pieces_->decode(std::span(block).first(count));
      sampled_ += static_cast<std::int64_t>(count);
    }
  }
  result.token_files.push_back(
      {.name = name, .tokens = file.num_tokens(), .documents = documents() - documents_before});
  result.tokens += file.num_tokens();
}

std::int64_t Inspector::documents() const {
  return pieces_ ? counts_[static_cast<std::size_t>(pieces_->end_of_document())] : 0;
}

void Inspector::check(const SplitInfo& split, std::size_t first_file) const {
  std::int64_t tokens = 0;
  std::int64_t documents = 0;
  for (const TokenFileSummary& file : std::span(result.token_files).subspan(first_file)) {
    tokens += file.tokens;
    documents += file.documents;
  }
  if (tokens == split.tokens && documents == split.documents) return;
  refuse(folder_ / kCorpusInfoFile,
         fmt::format("promises {} tokens in {} documents, but the token files {} hold {} in {}; "
                     "build it again",
                     split.tokens, split.documents, split.files.empty() ? "" : split.files.front(),
                     tokens, documents));
}

CorpusInspection Inspector::finish() {
  std::vector<IdCount> found;
  for (std::size_t id = 0; id < counts_.size(); ++id) {
    if (counts_[id] > 0)
      found.push_back({.id = static_cast<std::int32_t>(id), .count = counts_[id], .text = {}});
  }
  result.distinct_ids = std::ssize(found);
  if (!found.empty()) result.largest_id = found.back().id;
  std::stable_sort(found.begin(), found.end(),
                   [](const IdCount& a, const IdCount& b) { return a.count > b.count; });
  found.resize(
      std::min(found.size(), static_cast<std::size_t>(std::max(options_.num_frequent, 0))));
  for (IdCount& entry : found) {
    if (pieces_) entry.text = pieces_->text_of(entry.id);
  }
  result.most_frequent = std::move(found);
  return std::move(result);
}

}  // namespace

CorpusInspection inspect(FileSystem& files, const Path& folder_or_file,
                         const InspectionOptions& options) {
  if (!files.is_directory(folder_or_file)) {
    Inspector inspector(files, storage::directory_of(folder_or_file), options);
    inspector.read(folder_or_file.filename().string(), options.format);
    return inspector.finish();
  }
  Inspector inspector(files, folder_or_file, options);
  const CorpusInfo info = read_corpus_info(files, folder_or_file);
  for (const SplitInfo* split : {&info.train, &info.validation}) {
    const std::size_t first_file = inspector.result.token_files.size();
    for (const std::string& name : split->files) inspector.read(name, TokenFormat::llmc);
    inspector.check(*split, first_file);
  }
  inspector.result.info = info;
  return inspector.finish();
}

}  // namespace softmoe::training
