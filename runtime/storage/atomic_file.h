#pragma once

#include "runtime/storage/file_system.h"

namespace softmoe::storage {

/// A file that appears under its name complete, or not at all.
///
/// It is written as `<name>.tmp-<n>` in the same directory; commit() makes the contents durable,
/// renames it, and makes the name durable. Without commit() the destructor removes the temporary
/// file. Whenever power, disk or process fail, a reader finds under `path` what stood there before
/// or the whole new file. A process that is killed leaves its temporary file behind; nothing ever
/// reads it (see is_temporary_name()).
class AtomicFile {
 public:
  /// @param files  outlives this object.
  /// @throws StorageError cannot_write if the directory does not let us create a file.
  AtomicFile(FileSystem& files, Path path);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();

  /// The final name.
  [[nodiscard]] const Path& path() const { return path_; }
  [[nodiscard]] std::int64_t size() const { return file_->size(); }
  void append(std::span<const std::byte> bytes) { file_->append(bytes); }
  void write_at(std::int64_t offset, std::span<const std::byte> bytes) {
    file_->write_at(offset, bytes);
  }

  /// Gives the file its name. No other call may follow.
  /// @throws StorageError; then `path` is as before, unless only the last step failed, the one
  ///         that makes the new name durable: then the whole new file may stand there.
  void commit();

 private:
  void remove_temporary() noexcept;

  FileSystem& files_;
  Path path_;
  Path temporary_path_;
  std::unique_ptr<WritableFile> file_;
};

/// Writes a whole file by AtomicFile: on return it is durable under its name.
void write_file(FileSystem& files, const Path& path, std::span<const std::byte> bytes);

/// Whether a file of this name is the remnant of an AtomicFile that was never committed.
[[nodiscard]] bool is_temporary_name(std::string_view name);

}  // namespace softmoe::storage
