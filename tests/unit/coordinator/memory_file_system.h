#pragma once

#include <map>
#include <memory>
#include <string>

#include "runtime/storage/file_system.h"

namespace softmoe::coordinator {

/// Files in memory, which know how much of them was synced: after crash() the rest is gone, but for
/// as much as the caller lets survive. Mapping is not for it.
class MemoryFileSystem final : public storage::FileSystem {
 public:
  struct Contents {
    std::string data;
    std::size_t synced = 0;
  };

  /// Power fails: of what was not synced in each file, this share is still there.
  void crash(double surviving_share);
  [[nodiscard]] std::string& data_of(const storage::Path& path) {
    return files_.at(path.string())->data;
  }

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

 private:
  std::map<std::string, std::shared_ptr<Contents>> files_;
};

}  // namespace softmoe::coordinator
