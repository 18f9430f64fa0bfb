#pragma once

#include <utility>

#include "runtime/storage/posix_error.h"

namespace softmoe::storage {

/// Owner of a POSIX file descriptor.
class Descriptor {
 public:
  /// Opens `path` close-on-exec. @throws StorageError as `access` says.
  Descriptor(const Path& path, int flags, Access access);
  /// Takes over `descriptor`; -1 owns nothing.
  explicit Descriptor(int descriptor) : descriptor_(descriptor) {}
  Descriptor(Descriptor&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor();

  [[nodiscard]] int get() const { return descriptor_; }
  /// Gives up ownership.
  [[nodiscard]] int release() { return std::exchange(descriptor_, -1); }

 private:
  int descriptor_;
};

/// Opens a regular file for reading, without waiting for the writer of a pipe.
/// @throws StorageError bad_format if it is anything else.
[[nodiscard]] Descriptor open_regular_file(const Path& path);

/// Bytes of an open file.
[[nodiscard]] std::int64_t size_of_open_file(const Descriptor& file, const Path& path);

[[nodiscard]] std::unique_ptr<ReadableFile> make_readable_file(Descriptor file, Path path);
[[nodiscard]] std::unique_ptr<WritableFile> make_writable_file(Descriptor file, Path path);
[[nodiscard]] std::unique_ptr<FileMapping> make_file_mapping(const Descriptor& file,
                                                             const Path& path);

}  // namespace softmoe::storage
