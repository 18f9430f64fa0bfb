#pragma once

#include "runtime/storage/file_system.h"

namespace softmoe {

/// A file system whose operations can be made to fail, to prove what is left behind.
///
/// Counts every operation that changes the disk or makes it durable: create, open_to_append,
/// append, write_at, sync, close, make_directories, rename, remove, sync_directory. The chosen one
/// fails with StorageError cannot_write; a failing write leaves half of its bytes behind.
class FaultyFileSystem final : public storage::FileSystem {
 public:
  enum class Fault {
    once,     ///< one operation fails, as on a disk that was full for a moment
    forever,  ///< it and all later ones fail, as if the process had died there
  };

  explicit FaultyFileSystem(storage::FileSystem& real) : real_(real) {}

  /// Lets the operation `index`, counted from now and 0, fail.
  void fail_at(int index, Fault fault);
  /// Operations counted since the last fail_at(), or since the beginning.
  [[nodiscard]] int operations() const { return operations_; }

  [[nodiscard]] std::unique_ptr<storage::ReadableFile> open(const storage::Path& path) override;
  [[nodiscard]] std::unique_ptr<storage::FileMapping> map(const storage::Path& path) override;
  [[nodiscard]] std::unique_ptr<storage::WritableFile> create(const storage::Path& path) override;
  [[nodiscard]] std::unique_ptr<storage::WritableFile> open_to_append(
      const storage::Path& path) override;
  [[nodiscard]] bool exists(const storage::Path& path) override;
  [[nodiscard]] bool is_directory(const storage::Path& path) override;
  [[nodiscard]] std::int64_t size(const storage::Path& path) override;
  [[nodiscard]] std::vector<std::string> list(const storage::Path& directory) override;
  void make_directories(const storage::Path& directory) override;
  void rename(const storage::Path& from, const storage::Path& to) override;
  void remove(const storage::Path& path) override;
  void sync_directory(const storage::Path& directory) override;

  /// Counts an operation. True if it is to fail.
  [[nodiscard]] bool next_operation_fails();

 private:
  /// Counts an operation and throws if it is to fail.
  void step(std::string_view operation);

  storage::FileSystem& real_;
  int operations_ = 0;
  int failing_ = -1;
  Fault fault_ = Fault::once;
};

}  // namespace softmoe
