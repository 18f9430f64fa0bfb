#pragma once

#include "runtime/storage/file_system.h"

namespace softmoe::storage {

/// The operating system's files. Holds no state.
///
/// Interrupted calls are resumed and partial writes completed. Opening never waits: a pipe or a
/// device in place of a regular file is refused. is_directory() does not follow symbolic links, so
/// that remove_tree() stays inside the tree.
class PosixFileSystem final : public FileSystem {
 public:
  [[nodiscard]] std::unique_ptr<ReadableFile> open(const Path& path) override;
  [[nodiscard]] std::unique_ptr<FileMapping> map(const Path& path) override;
  [[nodiscard]] std::unique_ptr<WritableFile> create(const Path& path) override;
  [[nodiscard]] std::unique_ptr<WritableFile> open_to_append(const Path& path) override;

  [[nodiscard]] bool exists(const Path& path) override;
  [[nodiscard]] bool is_directory(const Path& path) override;
  [[nodiscard]] std::int64_t size(const Path& path) override;
  [[nodiscard]] std::vector<std::string> list(const Path& directory) override;

  void make_directories(const Path& directory) override;
  void rename(const Path& from, const Path& to) override;
  void remove(const Path& path) override;
  void sync_directory(const Path& directory) override;
};

}  // namespace softmoe::storage
