#pragma once

// Files of tokens as other trainers write them:
//   llmc     256 int32 {magic, version, number of tokens, 0 ...}, then the tokens, little-endian:
//            u16 with magic 20240520 version 1, u32 with magic 20240801 version 7 (llm.c).
//   nanogpt  u16 tokens and nothing else (nanoGPT's train.bin and val.bin).

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "runtime/storage/atomic_file.h"
#include "runtime/storage/file_system.h"

namespace softmoe::training {

/// A headerless file does not say what it is, so the user does.
enum class TokenFormat { llmc, nanogpt };

/// Tokens of one file, memory-mapped. Several threads may read at once.
class TokenFile {
 public:
  /// @throws StorageError, with the cure: missing; bad_format if the file is cut short, is of
  ///         another format or version, or contradicts its header.
  TokenFile(storage::FileSystem& files, const storage::Path& path, TokenFormat format);

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::int64_t num_tokens() const { return num_tokens_; }

  /// Fills `out` with the tokens from `begin` on.
  /// @throws InvalidArgument if the range leaves the file; StorageError bad_format, naming the
  ///         position, if a token is no int32.
  void tokens(std::int64_t begin, std::span<std::int32_t> out) const;

  /// Reads all tokens once.
  /// @throws StorageError bad_format naming the first token that is not below `vocab_size` and its
  ///         position.
  void check_vocabulary(std::int64_t vocab_size) const;

 private:
  void read_llmc_header();
  void read_nanogpt_size();
  [[noreturn]] void refuse(const std::string& reason) const;

  std::string path_;
  std::unique_ptr<storage::FileMapping> mapping_;
  std::int64_t data_begin_ = 0;
  std::int64_t bytes_per_token_ = 2;
  std::int64_t num_tokens_ = 0;
};

/// Writes such a file from a stream of tokens; it appears complete or not at all.
class TokenFileWriter {
 public:
  /// @param files       outlives this object.
  /// @param vocab_size  up to 65,536 the tokens take two bytes each; above, four (llmc only).
  /// @throws InvalidArgument if `format` cannot hold such tokens; StorageError cannot_write.
  TokenFileWriter(storage::FileSystem& files, const storage::Path& path, TokenFormat format,
                  std::int64_t vocab_size);

  /// @throws InvalidArgument naming a token that is not in [0, vocab_size) and its position, or the
  ///         limit of 2^31 - 1 tokens in a file of llm.c: begin another shard there.
  void append(std::span<const std::int32_t> tokens);
  [[nodiscard]] std::int64_t num_tokens() const { return num_tokens_; }

  /// Completes the header and makes the file durable under its name. No other call may follow.
  void finish();

 private:
  void flush();

  storage::AtomicFile file_;
  TokenFormat format_;
  std::int64_t vocab_size_;
  std::int64_t num_tokens_ = 0;
  std::vector<std::byte> pending_;
};

}  // namespace softmoe::training
