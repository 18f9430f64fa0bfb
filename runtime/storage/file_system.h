#pragma once

// The seam between the house and the disk. Everything durable goes through these four interfaces,
// so that a test can fail, cut short or stop the world at any single operation.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/errors.h"

namespace softmoe::storage {

using Path = std::filesystem::path;

/// A file open for reading at any place. Several threads may read at once.
class ReadableFile {
 public:
  virtual ~ReadableFile() = default;

  /// Bytes in the file when it was opened.
  [[nodiscard]] virtual std::int64_t size() const = 0;
  /// Fills `out` from byte `offset` on.
  /// @throws StorageError bad_format if the file ends before `out` is full, io if the system fails.
  virtual void read_at(std::int64_t offset, std::span<std::byte> out) const = 0;
};

/// A file open for writing, by one thread. Errors that the system reports late appear in sync() or
/// close(); the destructor closes too, in silence.
class WritableFile {
 public:
  virtual ~WritableFile() = default;

  /// Bytes in the file by now.
  [[nodiscard]] virtual std::int64_t size() const = 0;
  /// Adds `bytes` at the end. After a failure the file may hold a part of them.
  virtual void append(std::span<const std::byte> bytes) = 0;
  /// Writes over [offset, offset + bytes.size()); a gap beyond the end reads as zeros.
  virtual void write_at(std::int64_t offset, std::span<const std::byte> bytes) = 0;
  /// Returns when the contents would survive a loss of power.
  virtual void sync() = 0;
  /// No other call may follow.
  virtual void close() = 0;
};

/// The bytes of a file, mapped read-only as they were when it was opened. They stay valid for as
/// long as this object lives, provided nobody shortens the file: the system ends a process that
/// reads behind the end of a mapped file.
class FileMapping {
 public:
  virtual ~FileMapping() = default;

  [[nodiscard]] virtual std::span<const std::byte> bytes() const = 0;
};

/// Files and directories. One object serves all threads.
///
/// Every failure is a StorageError that names the operation, the path and the system's reason:
///   missing       the file or directory to be read does not exist;
///   bad_format    it exists, but is no regular file (or no directory);
///   cannot_write  the place refuses: permission, a full disk, a missing parent. Names the cure;
///   io            anything else.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  /// Opens a regular file.
  [[nodiscard]] virtual std::unique_ptr<ReadableFile> open(const Path& path) = 0;
  /// Maps a regular file; an empty one gives an empty span.
  [[nodiscard]] virtual std::unique_ptr<FileMapping> map(const Path& path) = 0;
  /// Creates a new, empty file. Null if something of that name exists: of many callers, on this
  /// host or another, one gets the file.
  [[nodiscard]] virtual std::unique_ptr<WritableFile> create(const Path& path) = 0;
  /// Opens a file, or creates it, to write behind what it holds already.
  [[nodiscard]] virtual std::unique_ptr<WritableFile> open_to_append(const Path& path) = 0;

  [[nodiscard]] virtual bool exists(const Path& path) = 0;
  [[nodiscard]] virtual bool is_directory(const Path& path) = 0;
  /// Bytes of a regular file.
  [[nodiscard]] virtual std::int64_t size(const Path& path) = 0;
  /// Names in a directory, without `.` and `..`, in ascending byte order.
  [[nodiscard]] virtual std::vector<std::string> list(const Path& directory) = 0;

  /// Makes a directory and its missing parents; existing ones are welcome.
  virtual void make_directories(const Path& directory) = 0;
  /// Gives `from` the name `to` in one step, replacing a file of that name.
  virtual void rename(const Path& from, const Path& to) = 0;
  /// Removes a file or an empty directory. A missing one is no error.
  virtual void remove(const Path& path) = 0;
  /// Returns when the names in `directory` would survive a loss of power.
  virtual void sync_directory(const Path& directory) = 0;
};

/// The directory that holds `path`; `.` for a bare name.
[[nodiscard]] Path directory_of(const Path& path);

/// The bytes of a text.
[[nodiscard]] inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

/// A whole file as text.
/// @throws StorageError bad_format, naming both sizes, if it is larger than `max_bytes`.
[[nodiscard]] std::string read_text(FileSystem& files, const Path& path, std::int64_t max_bytes);

/// Removes a directory with all it holds, or a file. A missing one is no error.
void remove_tree(FileSystem& files, const Path& path);

}  // namespace softmoe::storage
