#include "training/corpus/tokenizer_process.h"

#include <gmock/gmock.h>

#include "runtime/storage/posix_file_system.h"
#include "tests/support/storage_error_matcher.h"
#include "tests/unit/training_corpus/text_folder.h"
#include "training/corpus/piece_table.h"

namespace softmoe::training {
namespace {

using ::testing::_;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::ThrowsMessage;

TokenizerSettings settings() {
  return {.program = SOFTMOE_TOKENIZER_PROGRAM, .limit = std::chrono::seconds(30)};
}

std::string english() {
  std::string text;
  for (int i = 0; i < 400; ++i) {
    text += "The quick brown fox jumps over the lazy dog, number " +
            std::to_string(i * 7919 % 1000) + ".\n    indented\tcode(x) = \"caf\xc3\xa9\"\n";
  }
  return text;
}

/// A tokenizer trained once for all tests of the suite.
class TrainedTokenizer : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TextFolder>();
    train_tokenizer(settings(), english(), 450, *folder_ / "english");
    export_piece_table(settings(), model(), *folder_ / "pieces.json");
  }
  static void TearDownTestSuite() { folder_.reset(); }

  static storage::Path model() { return *folder_ / "english.model"; }
  static PieceTable pieces() {
    storage::PosixFileSystem files;
    return PieceTable::load(files, *folder_ / "pieces.json");
  }

  static inline std::unique_ptr<TextFolder> folder_;
};

TEST_F(TrainedTokenizer, GivesBackEveryTextExactly) {
  TokenizerProcess tokenizer(settings(), model());
  const PieceTable table = pieces();

  for (const std::string& text :
       {std::string(), std::string("The fox"), std::string("  two  spaces   "),
        std::string("\n\n\t\r\n x\n"),
        std::string("caf\xc3\xa9 na\xc3\xafve \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\xa6\x8a e\xcc\x81 "
                    "\xef\xac\x81"),
        std::string("<unk></s><s><0x0A> \xe2\x96\x81 mark \xe2\x96\x85 \xef\xbb\xbf bom"),
        std::string("nul \0 and \x01\x7f", 12),
        std::string("not UTF-8 \xff\xc3 \xe2\x96 \xed\xa0\x80")}) {
    EXPECT_EQ(table.decode(tokenizer.encode(text)), text);
  }
}

TEST_F(TrainedTokenizer, HasTheVocabularyAndTheHashOfItsPieceTable) {
  TokenizerProcess tokenizer(settings(), model());
  const PieceTable table = pieces();

  EXPECT_EQ(tokenizer.hash(), table.hash());
  EXPECT_EQ(tokenizer.vocab_size(), 450);
  EXPECT_EQ(table.vocab_size(), 450);
  EXPECT_EQ(tokenizer.end_of_document(), table.end_of_document());
  EXPECT_THAT(tokenizer.hash(), SizeIs(16));
}

TEST_F(TrainedTokenizer, UsesThePiecesItLearnt) {
  TokenizerProcess tokenizer(settings(), model());

  EXPECT_THAT(tokenizer.encode("The quick brown fox"), SizeIs(4));
  EXPECT_THAT(tokenizer.encode(""), IsEmpty());
}

TEST_F(TrainedTokenizer, EncodesAMegabyteAtOnce) {
  TokenizerProcess tokenizer(settings(), model());
  std::string text;
  while (text.size() < 1'000'000) text += english();

  const std::vector<std::int32_t> ids = tokenizer.encode(text);

  EXPECT_EQ(pieces().decode(ids), text);
  tokenizer.finish();
}

TEST_F(TrainedTokenizer, TrainsTheSameModelFromTheSameText) {
  train_tokenizer(settings(), english(), 450, *folder_ / "again");

  EXPECT_EQ(content_of(*folder_ / "again.model"), content_of(model()));
}

TEST_F(TrainedTokenizer, NamesTheLargestVocabularyForTooLittleText) {
  const auto train = [&] { train_tokenizer(settings(), "a short text", 2000, *folder_ / "short"); };

  EXPECT_THAT(train, ThrowsMessage<StorageError>(AllOf(
                         HasSubstr("too small for a vocabulary of 2000"), HasSubstr("at most"))));
  EXPECT_FALSE(std::filesystem::exists(*folder_ / "short.model"));
}

TEST_F(TrainedTokenizer, ReportsAVocabularyThatCannotBe) {
  const auto train = [&] { train_tokenizer(settings(), english(), 10, *folder_ / "tiny"); };

  EXPECT_THAT(train, ThrowsMessage<ConfigError>(HasSubstr("--vocab-size 10")));
}

TEST_F(TrainedTokenizer, ReportsAMissingAndADamagedModel) {
  const auto start = [&](const storage::Path& file) {
    return [=] { TokenizerProcess(settings(), file); };
  };
  const storage::Path damaged = folder_->write("damaged.model", "not a model");

  EXPECT_THAT(start(*folder_ / "missing.model"), FailsWith(StorageError::Kind::missing, _));
  EXPECT_THAT(start(damaged), ThrowsMessage<StorageError>(
                                  AllOf(HasSubstr("damaged.model is not a sentencepiece model"),
                                        HasSubstr("softmoe-tokenizer train"))));
}

TEST_F(TrainedTokenizer, RefusesAProgramThatSpeaksAnotherProtocol) {
  const TokenizerSettings echo = {
      .program = folder_->write("echo.sh", "#!/bin/sh\nprintf '%024d' 0\n"),
      .limit = std::chrono::seconds(10)};
  std::filesystem::permissions(echo.program, std::filesystem::perms::owner_all);

  EXPECT_THAT([&] { TokenizerProcess(echo, model()); },
              ThrowsMessage<ConfigError>(HasSubstr("another build")));
}

}  // namespace
}  // namespace softmoe::training
