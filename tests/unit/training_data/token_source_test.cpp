#include "training/data/token_source.h"

#include <gmock/gmock.h>

#include <numeric>

#include "runtime/storage/posix_file_system.h"
#include "tests/support/storage_error_matcher.h"
#include "tests/support/temporary_directory.h"

namespace softmoe::training {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;
using Kind = StorageError::Kind;

class TokenSourceTest : public testing::Test {
 protected:
  storage::Path put(const std::string& name, const std::vector<std::int32_t>& tokens) {
    TokenFileWriter writer(files_, directory_ / name, TokenFormat::llmc, 1'000);
    writer.append(tokens);
    writer.finish();
    return directory_ / name;
  }

  [[nodiscard]] TokenStream stream(const std::vector<storage::Path>& shards) {
    return {files_, shards, TokenFormat::llmc};
  }

  static std::vector<std::int32_t> sequence_of(const TokenSource& source, std::int64_t sequence) {
    std::vector<std::int32_t> tokens_S1(static_cast<std::size_t>(source.sequence_length() + 1));
    source.read(sequence, tokens_S1);
    return tokens_S1;
  }

  TemporaryDirectory directory_;
  storage::PosixFileSystem files_;
};

TEST_F(TokenSourceTest, OverlapsSequencesByOneToken) {
  const TokenSource source(stream({put("a.bin", {0, 1, 2, 3, 4, 5, 6, 7})}),
                           /*sequence_length=*/3, /*vocab_size=*/8);

  EXPECT_EQ(source.num_sequences(), 2);
  EXPECT_THAT(sequence_of(source, 0), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(sequence_of(source, 1), ElementsAre(3, 4, 5, 6));
}

TEST_F(TokenSourceTest, FillsTheLastSequenceToTheLastToken) {
  const TokenSource source(stream({put("a.bin", {0, 1, 2, 3, 4, 5, 6})}), 3, 8);

  EXPECT_EQ(source.num_sequences(), 2);
  EXPECT_THAT(sequence_of(source, 1), ElementsAre(3, 4, 5, 6));
}

TEST_F(TokenSourceTest, ReadsTheSameSequencesHoweverTheTokensAreCutIntoShards) {
  std::vector<std::int32_t> tokens(50);
  std::iota(tokens.begin(), tokens.end(), 0);
  const auto part = [&](int begin, int end) {
    return std::vector<std::int32_t>(tokens.begin() + begin, tokens.begin() + end);
  };
  const TokenSource whole(stream({put("whole.bin", tokens)}), 7, 50);
  const TokenSource cut(
      stream({put("c0.bin", part(0, 3)), put("c1.bin", {}), put("c2.bin", part(3, 4)),
              put("c3.bin", part(4, 36)), put("c4.bin", part(36, 50)), put("c5.bin", {})}),
      7, 50);

  ASSERT_EQ(cut.num_sequences(), whole.num_sequences());
  for (std::int64_t i = 0; i < whole.num_sequences(); ++i) {
    EXPECT_EQ(sequence_of(cut, i), sequence_of(whole, i)) << i;
  }
}

TEST_F(TokenSourceTest, FindsShardsByPatternInOrder) {
  for (const char* name : {"x_train_000001.bin", "x_train_000000.bin", "x_val_000000.bin",
                           "x_train_000002.txt", "x_train_000003.bin.tmp-0"}) {
    put(name, {1});
  }

  EXPECT_THAT(find_shards(files_, directory_ / "x_train_*.bin"),
              ElementsAre(directory_ / "x_train_000000.bin", directory_ / "x_train_000001.bin"));
  EXPECT_THAT(find_shards(files_, directory_ / "*val*.bin"),
              ElementsAre(directory_ / "x_val_000000.bin"));
  EXPECT_THAT(find_shards(files_, directory_ / "x_val_000000.bin"),
              ElementsAre(directory_ / "x_val_000000.bin"));
}

TEST_F(TokenSourceTest, NamesThePatternThatFindsNothing) {
  EXPECT_THAT([&] { (void)find_shards(files_, directory_ / "x_train_*.bin"); },
              FailsWith(Kind::missing, AllOf(HasSubstr("x_train_*.bin"), HasSubstr("build"))));
  EXPECT_THAT([&] { (void)find_shards(files_, directory_ / "absent/x_train_*.bin"); },
              FailsWith(Kind::missing, HasSubstr("absent")));
}

TEST_F(TokenSourceTest, RefusesDataShorterThanASequence) {
  const storage::Path path = put("a.bin", {0, 1, 2});

  EXPECT_THAT([&] { TokenSource(stream({path}), 3, 8); },
              FailsWith(Kind::bad_format, HasSubstr("3 tokens in 1 files")));
}

TEST_F(TokenSourceTest, ReadsNoTokenOutsideTheVocabulary) {
  const TokenSource source(stream({put("a.bin", {0, 1, 2}), put("b.bin", {3, 9, 4, 5})}), 3, 8);
  const auto refusal =
      FailsWith(Kind::bad_format, AllOf(HasSubstr("b.bin"), HasSubstr("token 1 is 9")));

  EXPECT_THAT([&] { source.check_vocabulary(); }, refusal);
  EXPECT_THAT([&] { (void)sequence_of(source, 1); }, refusal);
  EXPECT_NO_THROW((void)sequence_of(source, 0));
}

TEST_F(TokenSourceTest, RefusesASequenceThatIsNotThere) {
  const TokenSource source(stream({put("a.bin", {0, 1, 2, 3})}), 3, 8);
  std::vector<std::int32_t> too_small(3);

  EXPECT_THAT([&] { (void)sequence_of(source, 1); },
              ThrowsMessage<InvalidArgument>(HasSubstr("cannot read sequence 1")));
  EXPECT_THAT([&] { (void)sequence_of(source, -1); }, testing::Throws<InvalidArgument>());
  EXPECT_THAT([&] { source.read(0, too_small); },
              ThrowsMessage<InvalidArgument>(HasSubstr("room for 3")));
}

}  // namespace
}  // namespace softmoe::training
