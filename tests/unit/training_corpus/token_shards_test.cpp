#include "training/corpus/token_shards.h"

#include <gmock/gmock.h>

#include <numeric>

#include "runtime/storage/posix_file_system.h"
#include "tests/unit/training_corpus/text_folder.h"

namespace softmoe::training {
namespace {

using ::testing::ElementsAre;

std::vector<std::int32_t> tokens_in(const storage::Path& path) {
  storage::PosixFileSystem files;
  const TokenFile file(files, path, TokenFormat::llmc);
  std::vector<std::int32_t> tokens(static_cast<std::size_t>(file.num_tokens()));
  file.tokens(0, tokens);
  return tokens;
}

TEST(TokenShards, AreFullButForTheLast) {
  const TextFolder folder;
  storage::PosixFileSystem files;
  TokenShardWriter writer(files, folder.path(),
                          {.prefix = "x_train", .vocab_size = 100, .shard_tokens = 4});

  writer.append(std::vector<std::int32_t>{1, 2, 3});
  writer.append(std::vector<std::int32_t>{4, 5, 6, 7, 8, 9});

  EXPECT_THAT(writer.finish(),
              ElementsAre("x_train_000000.bin", "x_train_000001.bin", "x_train_000002.bin"));
  EXPECT_EQ(writer.tokens(), 9);
  EXPECT_THAT(tokens_in(folder / "x_train_000000.bin"), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(tokens_in(folder / "x_train_000001.bin"), ElementsAre(5, 6, 7, 8));
  EXPECT_THAT(tokens_in(folder / "x_train_000002.bin"), ElementsAre(9));
}

TEST(TokenShards, AreNeverEmpty) {
  const TextFolder folder;
  storage::PosixFileSystem files;
  TokenShardWriter writer(files, folder.path(),
                          {.prefix = "x", .vocab_size = 100, .shard_tokens = 2});

  writer.append(std::vector<std::int32_t>{1, 2});

  EXPECT_THAT(writer.finish(), ElementsAre("x_000000.bin"));
}

TEST(TokenShards, RefuseALayoutThatNoFileHolds) {
  const TextFolder folder;
  storage::PosixFileSystem files;
  const auto write_shards_of = [&](std::int64_t tokens) {
    TokenShardWriter(files, folder.path(),
                     {.prefix = "x", .vocab_size = 100, .shard_tokens = tokens});
  };

  EXPECT_THROW(write_shards_of(0), InvalidArgument);
  EXPECT_THROW(write_shards_of(kMaxShardTokens + 1), InvalidArgument);
}

}  // namespace
}  // namespace softmoe::training
