#include "training/corpus/corpus_inspection.h"

#include <gmock/gmock.h>

#include "runtime/storage/posix_file_system.h"
#include "tests/support/storage_error_matcher.h"
#include "tests/unit/training_corpus/text_folder.h"
#include "training/corpus/corpus_builder.h"
#include "training/corpus/token_shards.h"

namespace softmoe::training {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

/// A corpus of bytes of two texts, "aab" and "b".
CorpusInfo build_small_corpus(const TextFolder& folder) {
  storage::PosixFileSystem files;
  folder.write("texts/1.txt", "aab");
  folder.write("texts/2.txt", "b");
  CorpusOptions options;
  options.source = folder / "texts";
  options.output = folder / "corpus";
  options.tokenizer = TokenizerKind::bytes;
  options.validation_fraction = 0.5;
  return build_corpus(files, options, nullptr);
}

CorpusInspection look_at(const storage::Path& path) {
  storage::PosixFileSystem files;
  return inspect(files, path, {.num_frequent = 2, .sample_tokens = 3});
}

TEST(CorpusInspection, CountsTheIdsOfACorpus) {
  const TextFolder folder;
  build_small_corpus(folder);

  const CorpusInspection seen = look_at(folder / "corpus");

  EXPECT_EQ(seen.tokens, 6);
  EXPECT_EQ(seen.distinct_ids, 3);
  EXPECT_EQ(seen.largest_id, 256);
  ASSERT_THAT(seen.most_frequent, SizeIs(2));
  EXPECT_EQ(seen.most_frequent[0].id, 'a');
  EXPECT_EQ(seen.most_frequent[0].count, 2);
  EXPECT_EQ(seen.most_frequent[0].text, "a");
  EXPECT_EQ(seen.most_frequent[1].id, 'b');
  ASSERT_THAT(seen.token_files, SizeIs(2));
  EXPECT_EQ(seen.token_files[0].documents, 1);
  EXPECT_EQ(seen.info->vocab_size, 257);
}

TEST(CorpusInspection, DecodesTheFirstTokensOfAFileByTheTableBesideIt) {
  const TextFolder folder;
  const CorpusInfo info = build_small_corpus(folder);
  const bool train_is_longer = info.train.tokens == 4;

  const CorpusInspection seen =
      look_at(folder / "corpus" / (train_is_longer ? info.train : info.validation).files.front());

  EXPECT_EQ(seen.sample, "aab");
  EXPECT_EQ(seen.tokens, 4);
  EXPECT_FALSE(seen.info.has_value());
}

TEST(CorpusInspection, ManagesWithoutAPieceTable) {
  const TextFolder folder;
  storage::PosixFileSystem files;
  TokenShardWriter writer(files, folder.path(),
                          {.prefix = "x", .vocab_size = 70'000, .shard_tokens = 100});
  writer.append(std::vector<std::int32_t>{69'999, 5, 5});
  writer.finish();

  const CorpusInspection seen = look_at(folder / "x_000000.bin");

  EXPECT_EQ(seen.largest_id, 69'999);
  EXPECT_EQ(seen.most_frequent[0].id, 5);
  EXPECT_THAT(seen.most_frequent[0].text, IsEmpty());
  EXPECT_THAT(seen.sample, IsEmpty());
}

TEST(CorpusInspection, RefusesIdsOutsideTheVocabulary) {
  const TextFolder folder;
  build_small_corpus(folder);
  storage::PosixFileSystem files;
  TokenShardWriter writer(files, folder / "corpus",
                          {.prefix = "other", .vocab_size = 1000, .shard_tokens = 100});
  writer.append(std::vector<std::int32_t>{1, 2, 257});
  writer.finish();

  EXPECT_THAT([&] { (void)look_at(folder / "corpus/other_000000.bin"); },
              FailsWith(StorageError::Kind::bad_format,
                        HasSubstr("the id 257 at token 2, but the vocabulary has 257")));
}

TEST(CorpusInspection, RefusesFilesThatAreNotThoseOfTheCorpus) {
  const TextFolder folder;
  const CorpusInfo info = build_small_corpus(folder);
  std::filesystem::copy_file(folder / "corpus" / info.validation.files.front(),
                             folder / "corpus" / info.train.files.front(),
                             std::filesystem::copy_options::overwrite_existing);

  EXPECT_THAT([&] { (void)look_at(folder / "corpus"); },
              FailsWith(StorageError::Kind::bad_format, HasSubstr("corpus.json promises")));
}

}  // namespace
}  // namespace softmoe::training
