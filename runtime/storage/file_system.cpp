#include "runtime/storage/file_system.h"

#include <fmt/format.h>

namespace softmoe::storage {

Path directory_of(const Path& path) {
  const Path parent = path.parent_path();
  return parent.empty() ? Path(".") : parent;
}

std::string read_text(FileSystem& files, const Path& path, std::int64_t max_bytes) {
  const std::unique_ptr<ReadableFile> file = files.open(path);
  if (file->size() > max_bytes) {
    throw StorageError(StorageError::Kind::bad_format,
                       fmt::format("cannot read '{}': it has {} bytes, and at most {} are expected",
                                   path.string(), file->size(), max_bytes));
  }
  std::string text(static_cast<std::size_t>(file->size()), '\0');
  file->read_at(0, std::as_writable_bytes(std::span(text)));
  return text;
}

void remove_tree(FileSystem& files, const Path& path) {
  if (files.is_directory(path)) {
    for (const std::string& name : files.list(path)) remove_tree(files, path / name);
  }
  files.remove(path);
}

}  // namespace softmoe::storage
