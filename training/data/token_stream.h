#pragma once

#include <vector>

#include "training/data/token_file.h"

namespace softmoe::training {

/// Shards read as one sequence of tokens: where a shard ends the next one begins, so the same
/// tokens in fewer or more shards are the same stream. Several threads may read at once.
class TokenStream {
 public:
  /// @param shards  in the order of reading; at least one.
  TokenStream(storage::FileSystem& files, const std::vector<storage::Path>& shards,
              TokenFormat format);

  [[nodiscard]] std::int64_t num_tokens() const { return begins_.back(); }
  [[nodiscard]] int num_shards() const { return static_cast<int>(shards_.size()); }

  /// Fills `out` with the tokens from `begin` on, across shards where need be.
  /// @throws InvalidArgument if the range leaves the stream.
  void tokens(std::int64_t begin, std::span<std::int32_t> out) const;

  /// Reads all tokens once, at the speed of the disk: for one rank, before the first step.
  /// @throws StorageError bad_format naming the shard, the token and its position in the shard.
  void check_vocabulary(std::int64_t vocab_size) const;

 private:
  std::vector<TokenFile> shards_;
  std::vector<std::int64_t> begins_;  ///< first token of each shard; the last entry is their number
};

/// The shards that a user names: one file, or `folder/name_train_*.bin` with stars in the file name
/// for any characters, in ascending order of their names. Number shards with leading zeros.
/// @throws StorageError missing, naming the pattern and the folder, if there is none.
[[nodiscard]] std::vector<storage::Path> find_shards(storage::FileSystem& files,
                                                     const storage::Path& pattern);

}  // namespace softmoe::training
