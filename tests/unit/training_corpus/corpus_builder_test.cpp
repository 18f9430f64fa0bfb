#include "training/corpus/corpus_builder.h"

#include <gmock/gmock.h>

#include <map>

#include "runtime/storage/posix_file_system.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/storage_error_matcher.h"
#include "tests/unit/training_corpus/text_folder.h"
#include "training/corpus/piece_table.h"
#include "training/corpus/text_documents.h"
#include "training/data/token_file.h"

namespace softmoe::training {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::ThrowsMessage;
using ::testing::UnorderedElementsAreArray;

/// Texts that differ, in folders, plain and packed; with characters of all lengths.
void write_texts(const TextFolder& folder, int count) {
  for (int i = 0; i < count; ++i) {
    std::string text;
    for (int line = 0; line < 40; ++line) {
      text += "In document " + std::to_string(i) + " the line " + std::to_string(line) +
              " says: caf\xc3\xa9 \xe6\x97\xa5\xe6\x9c\xac\n\tand the fox is " +
              std::to_string(i * line) + "\n";
    }
    const std::string name =
        "texts/part" + std::to_string(i % 3) + "/" + std::to_string(i) + ".txt";
    i % 2 == 0 ? folder.write(name, text) : folder.write_packed(name + ".gz", text);
  }
}

CorpusOptions options_for(const TextFolder& folder, TokenizerKind tokenizer) {
  CorpusOptions options;
  options.source = folder / "texts";
  options.output = folder / "corpus";
  options.name = "fox";
  options.tokenizer = tokenizer;
  options.vocab_size = 400;
  options.tokenizer_program = SOFTMOE_TOKENIZER_PROGRAM;
  options.tokenizer_limit = std::chrono::seconds(60);
  options.validation_fraction = 0.3;
  return options;
}

CorpusInfo build(const CorpusOptions& options) {
  storage::PosixFileSystem files;
  return build_corpus(files, options, nullptr);
}

std::vector<std::int32_t> tokens_of(const storage::Path& folder, const SplitInfo& split) {
  storage::PosixFileSystem files;
  std::vector<std::int32_t> tokens;
  for (const std::string& name : split.files) {
    const TokenFile file(files, folder / name, TokenFormat::llmc);
    std::vector<std::int32_t> some(static_cast<std::size_t>(file.num_tokens()));
    file.tokens(0, some);
    tokens.insert(tokens.end(), some.begin(), some.end());
  }
  return tokens;
}

/// The texts of a split, by decoding between the ends of document.
std::vector<std::string> documents_of(const storage::Path& folder, const SplitInfo& split) {
  storage::PosixFileSystem files;
  const PieceTable pieces = PieceTable::load(files, folder / kPieceTableFile);
  std::vector<std::string> documents(1);
  for (const std::int32_t id : tokens_of(folder, split)) {
    if (id == pieces.end_of_document())
      documents.emplace_back();
    else
      documents.back() += pieces.text_of(id);
  }
  documents.pop_back();
  return documents;
}

std::map<std::string, std::string> files_in(const storage::Path& folder) {
  std::map<std::string, std::string> contents;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    contents[entry.path().filename().string()] = content_of(entry.path());
  }
  return contents;
}

std::vector<std::string> names_in(const storage::Path& folder) {
  std::vector<std::string> names;
  for (const auto& [name, content] : files_in(folder)) names.push_back(name);
  return names;
}

class EveryTokenizer : public ::testing::TestWithParam<TokenizerKind> {};

INSTANTIATE_TEST_SUITE_P(CorpusBuilder, EveryTokenizer,
                         ::testing::Values(TokenizerKind::bpe, TokenizerKind::bytes),
                         [](const auto& tested) {
                           return tested.param == TokenizerKind::bpe ? "Bpe" : "Bytes";
                         });

TEST_P(EveryTokenizer, KeepsEveryDocumentExactlyAndOnOneSide) {
  const TextFolder folder;
  write_texts(folder, 12);

  const CorpusInfo info = build(options_for(folder, GetParam()));

  std::vector<std::string> written = documents_of(folder / "corpus", info.train);
  const std::vector<std::string> validation = documents_of(folder / "corpus", info.validation);
  EXPECT_THAT(written, SizeIs(info.train.documents));
  EXPECT_THAT(validation, SizeIs(info.validation.documents));
  written.insert(written.end(), validation.begin(), validation.end());
  std::vector<std::string> sources;
  storage::PosixFileSystem files;
  for (const TextDocument& document : find_text_documents(files, folder / "texts")) {
    sources.push_back(read_text_document(files, document.path));
  }
  EXPECT_THAT(written, UnorderedElementsAreArray(sources));
}

TEST_P(EveryTokenizer, DescribesWhatItWrote) {
  const TextFolder folder;
  write_texts(folder, 6);
  storage::PosixFileSystem files;

  const CorpusInfo info = build(options_for(folder, GetParam()));

  EXPECT_EQ(read_corpus_info(files, folder / "corpus").to_json(), info.to_json());
  const PieceTable pieces = PieceTable::load(files, folder / "corpus/pieces.json");
  EXPECT_EQ(info.vocab_size, pieces.vocab_size());
  EXPECT_EQ(info.vocab_size, GetParam() == TokenizerKind::bpe ? 400 : 257);
  EXPECT_EQ(info.tokenizer_hash, pieces.hash());
  EXPECT_EQ(info.end_of_document, pieces.end_of_document());
  EXPECT_EQ(info.source, "texts");
  EXPECT_EQ(info.train.tokens, std::ssize(tokens_of(folder / "corpus", info.train)));
  EXPECT_THAT(info.train.files, ElementsAre("fox_train_000000.bin"));
  EXPECT_THAT(info.validation.files, ElementsAre("fox_val_000000.bin"));
  EXPECT_EQ(info.train.documents + info.validation.documents, 6);
}

TEST_P(EveryTokenizer, GivesEqualBytesForEqualTexts) {
  const TextFolder first;
  const TextFolder second;
  write_texts(first, 8);
  write_texts(second, 8);

  build(options_for(first, GetParam()));
  build(options_for(second, GetParam()));

  EXPECT_EQ(files_in(first / "corpus"), files_in(second / "corpus"));
}

TEST(CorpusBuilder, TrainsTheTokenizerOnTrainingDocumentsOnly) {
  const TextFolder folder;
  write_texts(folder, 6);
  CorpusOptions options = options_for(folder, TokenizerKind::bpe);
  build(options);
  const CorpusInfo info =
      read_corpus_info(*std::make_unique<storage::PosixFileSystem>(), options.output);
  const std::string heldout = documents_of(options.output, info.validation).front();
  storage::PosixFileSystem files;
  for (const TextDocument& document : find_text_documents(files, options.source)) {
    if (read_text_document(files, document.path) != heldout) continue;
    std::string changed;
    for (int i = 0; i < 500; ++i) changed += "unheard-of zyzzyva ";
    std::filesystem::remove(document.path);
    folder.write("texts/" + document.name, changed);
  }

  options.output = folder / "again";
  const CorpusInfo again = build(options);

  EXPECT_EQ(again.tokenizer_hash, info.tokenizer_hash);
  EXPECT_NE(again.validation.bytes, info.validation.bytes);
}

TEST(CorpusBuilder, LeavesOutDuplicatesAndEmptyFiles) {
  const TextFolder folder;
  write_texts(folder, 4);
  folder.write("texts/copy.md", content_of(folder / "texts/part0/0.txt"));
  folder.write_packed("texts/packed-copy.rst.gz", content_of(folder / "texts/part0/0.txt"));
  folder.write("texts/empty.txt", "");

  const CorpusInfo info = build(options_for(folder, TokenizerKind::bytes));

  EXPECT_EQ(info.duplicates, 2);
  EXPECT_EQ(info.empty, 1);
  EXPECT_EQ(info.train.documents + info.validation.documents, 4);
}

TEST(CorpusBuilder, BeginsANewFileWhenOneIsFull) {
  const TextFolder folder;
  write_texts(folder, 6);
  CorpusOptions options = options_for(folder, TokenizerKind::bytes);
  options.shard_tokens = 1000;

  const CorpusInfo info = build(options);

  EXPECT_EQ(std::ssize(info.train.files), (info.train.tokens + 999) / 1000);
  EXPECT_EQ(std::ssize(tokens_of(options.output, info.train)), info.train.tokens);
}

TEST(CorpusBuilder, TellsItsProgress) {
  const TextFolder folder;
  write_texts(folder, 5);
  storage::PosixFileSystem files;
  std::vector<CorpusProgress> told;

  const CorpusInfo info =
      build_corpus(files, options_for(folder, TokenizerKind::bytes),
                   [&](const CorpusProgress& progress) { told.push_back(progress); });

  ASSERT_THAT(told, SizeIs(10));
  EXPECT_EQ(told[4].phase, CorpusProgress::Phase::read);
  EXPECT_EQ(told[4].documents_done, 5);
  EXPECT_EQ(told[9].phase, CorpusProgress::Phase::encode);
  EXPECT_EQ(told[9].documents_done, told[9].documents);
  EXPECT_EQ(told[9].bytes_done, info.train.bytes + info.validation.bytes);
}

TEST(CorpusBuilder, RefusesAnOutputThatExists) {
  const TextFolder folder;
  write_texts(folder, 3);
  folder.write("corpus/precious", "data");

  EXPECT_THAT(
      [&] { build(options_for(folder, TokenizerKind::bytes)); },
      ThrowsMessage<ConfigError>(AllOf(HasSubstr("exists already"), HasSubstr("another output"))));

  EXPECT_THAT(names_in(folder / "corpus"), ElementsAre("precious"));
}

TEST(CorpusBuilder, RefusesAFolderWithFewerThanTwoDocuments) {
  const TextFolder folder;
  folder.write("texts/only.txt", "one text");
  folder.write("texts/other.cpp", "int main() {}");

  EXPECT_THAT(
      [&] { build(options_for(folder, TokenizerKind::bytes)); },
      ThrowsMessage<ConfigError>(AllOf(HasSubstr("1 document(s)"), HasSubstr("add files"))));

  std::filesystem::remove(folder / "texts/only.txt");
  EXPECT_THAT([&] { build(options_for(folder, TokenizerKind::bytes)); },
              ThrowsMessage<ConfigError>(HasSubstr("0 document(s)")));
  std::filesystem::remove_all(folder / "texts");
  EXPECT_THAT([&] { build(options_for(folder, TokenizerKind::bytes)); },
              FailsWith(StorageError::Kind::missing, HasSubstr("texts")));
}

TEST(CorpusBuilder, NamesEveryOptionThatIsOutOfRange) {
  CorpusOptions options;
  options.vocab_size = 10;
  options.validation_fraction = 1.5;
  options.shard_tokens = 0;
  options.name = "a/b";

  EXPECT_THAT(
      [&] { options.validate(); },
      ThrowsMessage<ConfigError>(AllOf(HasSubstr("source"), HasSubstr("output"), HasSubstr("'a/b'"),
                                       HasSubstr("vocabulary size is 10"),
                                       HasSubstr("fraction is 1.5"), HasSubstr("holds 0 tokens"))));
}

TEST(CorpusBuilder, LeavesNothingBehindWhenTheTokenizerFails) {
  const TextFolder folder;
  write_texts(folder, 3);
  CorpusOptions options = options_for(folder, TokenizerKind::bpe);
  options.vocab_size = 100'000;

  EXPECT_THAT(
      [&] { build(options); },
      FailsWith(StorageError::Kind::bad_format, HasSubstr("too small for a vocabulary of 100000")));

  options.tokenizer_program = folder / "no-such-program";
  EXPECT_THAT([&] { build(options); }, ThrowsMessage<ConfigError>(HasSubstr("no-such-program")));
  std::filesystem::remove_all(folder / "texts");
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(CorpusBuilder, ShowsAWholeCorpusOrNoneWhereverTheDiskFails) {
  const TextFolder folder;
  write_texts(folder, 3);
  const CorpusOptions options = options_for(folder, TokenizerKind::bytes);
  storage::PosixFileSystem real;
  FaultyFileSystem files(real);
  build_corpus(files, options, nullptr);
  const std::map<std::string, std::string> whole = files_in(options.output);
  const int operations = files.operations();
  ASSERT_GT(operations, 10);

  for (const auto fault : {FaultyFileSystem::Fault::once, FaultyFileSystem::Fault::forever}) {
    for (int i = 0; i < operations; ++i) {
      std::filesystem::remove_all(options.output);
      files.fail_at(i, fault);
      try {
        build_corpus(files, options, nullptr);
      } catch (const StorageError&) {
        // Most operations are essential; whether it is reported is not the point here.
      }
      if (std::filesystem::exists(options.output)) {
        EXPECT_EQ(files_in(options.output), whole) << "operation " << i;
      }
    }
  }
}

TEST(CorpusInfo, ComparesItsVocabularyWithTheModels) {
  CorpusInfo info;
  info.name = "fox";
  info.vocab_size = 400;

  EXPECT_NO_THROW(check_vocabulary(info, 400));
  EXPECT_NO_THROW(check_vocabulary(info, 512));
  EXPECT_THAT([&] { check_vocabulary(info, 399); },
              ThrowsMessage<ConfigError>(
                  AllOf(HasSubstr("400"), HasSubstr("399"), HasSubstr("model.vocabulary"))));
}

TEST(CorpusInfo, ThatIsMissingOrDamagedIsAnError) {
  const TextFolder folder;
  storage::PosixFileSystem files;
  const auto read = [&] { (void)read_corpus_info(files, folder.path()); };

  EXPECT_THAT(read, FailsWith(StorageError::Kind::missing, HasSubstr("corpus.json")));
  folder.write("corpus.json", R"({"format": "softmoe-corpus", "version": 1, "name": 3})");
  EXPECT_THAT(read, FailsWith(StorageError::Kind::bad_format, HasSubstr("softmoe data build")));
}

}  // namespace
}  // namespace softmoe::training
