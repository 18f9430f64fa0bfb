#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "training/data/token_file.h"

namespace softmoe::training {

/// The header of an llm.c file counts its tokens in an int32.
inline constexpr std::int64_t kMaxShardTokens = (std::int64_t{1} << 31) - 1;

/// How the tokens of a split are laid out in files.
struct ShardLayout {
  std::string prefix;             ///< files are `PREFIX_000000.bin`, `PREFIX_000001.bin`, ...
  std::int64_t vocab_size = 0;    ///< up to 65,536 gives 16-bit tokens, more gives 32-bit ones
  std::int64_t shard_tokens = 0;  ///< a file holds at most so many tokens
};

/// Writes one stream of tokens as a row of files in llm.c's format, each full but the last.
class TokenShardWriter {
 public:
  /// @param files   outlives this object.
  /// @param folder  exists.
  /// @throws InvalidArgument if the layout is out of range.
  TokenShardWriter(storage::FileSystem& files, storage::Path folder, ShardLayout layout);

  /// @throws InvalidArgument if an id is outside the vocabulary; StorageError cannot_write.
  void append(std::span<const std::int32_t> ids);
  /// Makes everything durable. No append() may follow.
  /// @return the names of the files, in order.
  std::vector<std::string> finish();
  /// Number of tokens so far, over all files.
  [[nodiscard]] std::int64_t tokens() const { return tokens_; }

 private:
  void open_shard();
  void close_shard();

  storage::FileSystem& files_;
  storage::Path folder_;
  ShardLayout layout_;
  std::vector<std::string> names_;
  std::optional<TokenFileWriter> shard_;
  std::int64_t tokens_ = 0;
};

}  // namespace softmoe::training
