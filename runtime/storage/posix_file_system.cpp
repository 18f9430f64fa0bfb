#include "runtime/storage/posix_file_system.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <optional>

#include "runtime/storage/posix_file.h"

namespace softmoe::storage {
namespace {

/// What stands at `path` itself, links not followed; nothing if nothing does.
std::optional<struct stat> inspect(const Path& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) == 0) return status;
  if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
  throw_posix_error(Access::read, "inspect", path, errno);
}

}  // namespace

std::unique_ptr<ReadableFile> PosixFileSystem::open(const Path& path) {
  return make_readable_file(open_regular_file(path), path);
}

std::unique_ptr<FileMapping> PosixFileSystem::map(const Path& path) {
  return make_file_mapping(open_regular_file(path), path);
}

std::unique_ptr<WritableFile> PosixFileSystem::create(const Path& path) {
  Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (file.get() < 0 && errno == EEXIST) return nullptr;
  if (file.get() < 0) throw_posix_error(Access::write, "create", path, errno);
  return make_writable_file(std::move(file), path);
}

std::unique_ptr<WritableFile> PosixFileSystem::open_to_append(const Path& path) {
  return make_writable_file(Descriptor(path, O_WRONLY | O_CREAT, Access::write), path);
}

bool PosixFileSystem::exists(const Path& path) {
  return inspect(path).has_value();
}

bool PosixFileSystem::is_directory(const Path& path) {
  const auto status = inspect(path);
  return status && S_ISDIR(status->st_mode);
}

std::int64_t PosixFileSystem::size(const Path& path) {
  return size_of_open_file(open_regular_file(path), path);
}

std::vector<std::string> PosixFileSystem::list(const Path& directory) {
  std::error_code error;
  std::vector<std::string> names;
  std::filesystem::directory_iterator entry(directory, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  if (error) throw_posix_error(Access::read, "list", directory, error.value());
  std::sort(names.begin(), names.end());
  return names;
}

void PosixFileSystem::make_directories(const Path& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) throw_posix_error(Access::write, "create the directory", directory, error.value());
}

void PosixFileSystem::rename(const Path& from, const Path& to) {
  if (std::rename(from.c_str(), to.c_str()) != 0) {
    throw_posix_error(Access::write, fmt::format("rename to '{}' the file", to.string()), from,
                      errno);
  }
}

void PosixFileSystem::remove(const Path& path) {
  if (std::remove(path.c_str()) != 0 && errno != ENOENT) {
    throw_posix_error(Access::write, "remove", path, errno);
  }
}

void PosixFileSystem::sync_directory(const Path& directory) {
  const Descriptor opened(directory, O_RDONLY | O_DIRECTORY, Access::write);
  if (::fsync(opened.get()) != 0) {
    throw_posix_error(Access::write, "sync the directory", directory, errno);
  }
}

}  // namespace softmoe::storage
