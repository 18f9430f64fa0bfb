#include "training/corpus/corpus_builder.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <unordered_set>

#include "runtime/storage/atomic_file.h"
#include "tokenizer/fingerprint.h"
#include "tokenizer/protocol.h"
#include "tokenizer/utf8.h"
#include "training/corpus/corpus_split.h"
#include "training/corpus/piece_table.h"
#include "training/corpus/text_documents.h"
#include "training/corpus/token_shards.h"
#include "training/corpus/tokenizer_process.h"

namespace softmoe::training {
namespace {

using storage::FileSystem;
using storage::Path;
using Phase = CorpusProgress::Phase;

constexpr std::uint64_t kSampleSalt = 0x73616d706c65ULL;

/// The documents that go into the corpus, and where.
struct Selection {
  std::vector<TextDocument> documents;
  std::vector<std::int64_t> bytes;
  std::vector<Split> splits;
  std::int64_t duplicates = 0;
  std::int64_t empty = 0;
};

/// Removes what was written unless the corpus became visible.
class WorkFolder {
 public:
  WorkFolder(FileSystem& files, Path output)
      : files_(files),
        output_(std::move(output)),
        path_(storage::directory_of(output_) /
              fmt::format(".{}.tmp-{}", output_.filename().string(), ::getpid())) {
    storage::remove_tree(files_, path_);
    files_.make_directories(path_);
  }
  WorkFolder(const WorkFolder&) = delete;
  WorkFolder& operator=(const WorkFolder&) = delete;
  ~WorkFolder() {
    if (published_) return;
    try {
      storage::remove_tree(files_, path_);
    } catch (const StorageError&) {
      // The failure that brought us here is the one to report.
    }
  }

  [[nodiscard]] const Path& path() const { return path_; }

  void publish() {
    files_.sync_directory(path_);
    files_.rename(path_, output_);
    published_ = true;
    files_.sync_directory(storage::directory_of(output_));
  }

 private:
  FileSystem& files_;
  Path output_;
  Path path_;
  bool published_ = false;
};

Path without_trailing_slash(const Path& path) {
  return path.has_filename() ? path : path.parent_path();
}

class Builder {
 public:
  Builder(FileSystem& files, const CorpusOptions& options, const CorpusProgressCallback& report)
      : files_(files), options_(options), report_(report) {}

  CorpusInfo build();

 private:
  void select_documents();
  [[nodiscard]] std::string sample_text();
  std::unique_ptr<TextEncoder> make_tokenizer(const Path& folder);
  void encode_documents(TextEncoder& encoder, const Path& folder, CorpusInfo& info);
  void tell(const CorpusProgress& progress) const {
    if (report_) report_(progress);
  }

  FileSystem& files_;
  const CorpusOptions& options_;
  const CorpusProgressCallback& report_;
  Selection selection_;
};

CorpusInfo Builder::build() {
  if (files_.exists(options_.output)) {
    throw ConfigError(fmt::format("{} exists already: choose another output, or remove it first",
                                  options_.output.string()));
  }
  select_documents();

  WorkFolder folder(files_, without_trailing_slash(options_.output));
  const std::unique_ptr<TextEncoder> encoder = make_tokenizer(folder.path());
  const PieceTable pieces = PieceTable::load(files_, folder.path() / kPieceTableFile);
  expect(encoder->hash() == pieces.hash(), "the encoder and the piece table are of one tokenizer");

  CorpusInfo info = {.name = options_.name,
                     .source = options_.description,
                     .tokenizer = pieces.tokenizer(),
                     .tokenizer_hash = pieces.hash(),
                     .vocab_size = pieces.vocab_size(),
                     .end_of_document = pieces.end_of_document(),
                     .duplicates = selection_.duplicates,
                     .empty = selection_.empty,
                     .train = {},
                     .validation = {}};
  if (info.source.empty())
    info.source = without_trailing_slash(options_.source).filename().string();
  encode_documents(*encoder, folder.path(), info);
  storage::write_file(files_, folder.path() / kCorpusInfoFile, storage::bytes_of(info.to_json()));
  folder.publish();
  return info;
}

void Builder::select_documents() {
  const std::vector<TextDocument> found = find_text_documents(files_, options_.source);
  std::unordered_set<std::uint64_t> texts;
  std::vector<std::string> names;
  CorpusProgress progress = {.phase = Phase::read, .documents = std::ssize(found)};
  for (const TextDocument& document : found) {
    const std::string text = read_text_document(files_, document.path);
    if (text.empty()) {
      ++selection_.empty;
    } else if (!texts.insert(tokenizer::fingerprint(text)).second) {
      ++selection_.duplicates;
    } else {
      selection_.documents.push_back(document);
      selection_.bytes.push_back(static_cast<std::int64_t>(text.size()));
      names.push_back(document.name);
    }
    ++progress.documents_done;
    progress.bytes_done += std::ssize(text);
    tell(progress);
  }
  if (names.size() < 2) {
    throw ConfigError(fmt::format(
        "{} holds {} document(s) of text ({} file(s) *.txt, *.rst, *.md or .gz of these, "
        "{} empty, {} duplicate(s)), but training and validation need one each: "
        "add files, or split one",
        options_.source.string(), names.size(), found.size(), selection_.empty,
        selection_.duplicates));
  }
  selection_.splits = split_documents(names, options_.validation_fraction);
}

std::string Builder::sample_text() {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < selection_.documents.size(); ++i) {
    if (selection_.splits[i] == Split::train) order.push_back(i);
  }
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    const auto key = [&](std::size_t i) {
      return std::pair(scatter(selection_.documents[i].name, kSampleSalt), i);
    };
    return key(a) < key(b);
  });

  const auto limit = static_cast<std::size_t>(options_.sample_bytes);
  std::string sample;
  for (std::size_t i = 0; i < order.size() && sample.size() < limit; ++i) {
    sample += read_text_document(files_, selection_.documents[order[i]].path);
    sample += '\n';
  }
  sample.resize(std::min(sample.size(), limit));
  sample.resize(tokenizer::valid_utf8_prefix(sample));
  return sample;
}

std::unique_ptr<TextEncoder> Builder::make_tokenizer(const Path& folder) {
  const Path pieces = folder / kPieceTableFile;
  if (options_.tokenizer == TokenizerKind::bytes) {
    storage::write_file(files_, pieces, storage::bytes_of(PieceTable::bytes().to_json()));
    return std::make_unique<ByteEncoder>();
  }
  const TokenizerSettings settings = {.program = options_.tokenizer_program.empty()
                                                     ? tokenizer_program()
                                                     : options_.tokenizer_program,
                                      .limit = options_.tokenizer_limit};
  const Path model = folder / kTokenizerModelFile;
  tell({.phase = Phase::train_tokenizer});
  train_tokenizer(settings, sample_text(), options_.vocab_size, Path(model).replace_extension());
  export_piece_table(settings, model, pieces);
  files_.open_to_append(model)->sync();
  files_.open_to_append(pieces)->sync();
  return std::make_unique<TokenizerProcess>(settings, model);
}

void Builder::encode_documents(TextEncoder& encoder, const Path& folder, CorpusInfo& info) {
  const auto layout = [&](std::string_view side) {
    return ShardLayout{.prefix = fmt::format("{}_{}", options_.name, side),
                       .vocab_size = info.vocab_size,
                       .shard_tokens = options_.shard_tokens};
  };
  TokenShardWriter train(files_, folder, layout("train"));
  TokenShardWriter validation(files_, folder, layout("val"));
  CorpusProgress progress = {.phase = Phase::encode, .documents = std::ssize(selection_.documents)};
  for (std::size_t i = 0; i < selection_.documents.size(); ++i) {
    const bool is_train = selection_.splits[i] == Split::train;
    std::vector<std::int32_t> ids =
        encoder.encode(read_text_document(files_, selection_.documents[i].path));
    ids.push_back(info.end_of_document);
    (is_train ? train : validation).append(ids);
    SplitInfo& side = is_train ? info.train : info.validation;
    ++side.documents;
    side.bytes += selection_.bytes[i];
    ++progress.documents_done;
    progress.bytes_done += selection_.bytes[i];
    tell(progress);
  }
  info.train.files = train.finish();
  info.train.tokens = train.tokens();
  info.validation.files = validation.finish();
  info.validation.tokens = validation.tokens();
}

}  // namespace

void CorpusOptions::validate() const {
  std::vector<std::string> problems;
  const auto check = [&](bool holds, std::string problem) {
    if (!holds) problems.push_back(std::move(problem));
  };
  check(!source.empty(), "the source folder is not given");
  check(!output.empty(), "the output folder is not given");
  check(!name.empty() && name.find('/') == std::string::npos,
        fmt::format("the name '{}' is empty or has a /, but files are called by it", name));
  check(tokenizer == TokenizerKind::bytes ||
            (vocab_size >= tokenizer::kMinVocabSize && vocab_size <= tokenizer::kMaxVocabSize),
        fmt::format(
            "the vocabulary size is {}, but bpe has {} to {} pieces (or use the tokenizer `bytes`)",
            vocab_size, tokenizer::kMinVocabSize, tokenizer::kMaxVocabSize));
  check(sample_bytes > 0,
        fmt::format("the sample is {} bytes, but it must be more than 0", sample_bytes));
  check(validation_fraction > 0 && validation_fraction < 1,
        fmt::format("the validation fraction is {}, but it lies between 0 and 1",
                    validation_fraction));
  check(shard_tokens > 0 && shard_tokens <= kMaxShardTokens,
        fmt::format("a token file holds {} tokens, but it must be 1 to {}", shard_tokens,
                    kMaxShardTokens));
  if (!problems.empty())
    throw ConfigError(fmt::format("cannot build a corpus: {}", fmt::join(problems, "; ")));
}

CorpusInfo build_corpus(FileSystem& files, const CorpusOptions& options,
                        const CorpusProgressCallback& report) {
  options.validate();
  return Builder(files, options, report).build();
}

}  // namespace softmoe::training
