#include "runtime/storage/posix_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace softmoe::storage {
namespace {

// Linux moves at most 2^31 - 4096 bytes in one call.
constexpr std::size_t kMaxTransferBytes = std::size_t{1} << 30;

class PosixReadableFile final : public ReadableFile {
 public:
  PosixReadableFile(Descriptor file, Path path)
      : file_(std::move(file)), path_(std::move(path)), size_(size_of_open_file(file_, path_)) {}

  [[nodiscard]] std::int64_t size() const override { return size_; }

  void read_at(std::int64_t offset, std::span<std::byte> out) const override {
    while (!out.empty()) {
      const ssize_t got =
          ::pread(file_.get(), out.data(), std::min(out.size(), kMaxTransferBytes), offset);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) throw_posix_error(Access::read, "read", path_, errno);
      if (got == 0) {
        throw StorageError(StorageError::Kind::bad_format,
                           fmt::format("cannot read '{}': it ends at byte {}, {} bytes too early",
                                       path_.string(), offset, out.size()));
      }
      offset += got;
      out = out.subspan(static_cast<std::size_t>(got));
    }
  }

 private:
  Descriptor file_;
  Path path_;
  std::int64_t size_;
};

class PosixWritableFile final : public WritableFile {
 public:
  PosixWritableFile(Descriptor file, Path path)
      : file_(std::move(file)), path_(std::move(path)), size_(size_of_open_file(file_, path_)) {}

  [[nodiscard]] std::int64_t size() const override { return size_; }
  void append(std::span<const std::byte> bytes) override { write_at(size_, bytes); }

  void write_at(std::int64_t offset, std::span<const std::byte> bytes) override {
    while (!bytes.empty()) {
      const ssize_t put =
          ::pwrite(file_.get(), bytes.data(), std::min(bytes.size(), kMaxTransferBytes), offset);
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) throw_posix_error(Access::write, "write", path_, errno);
      offset += put;
      size_ = std::max(size_, offset);
      bytes = bytes.subspan(static_cast<std::size_t>(put));
    }
  }

  void sync() override {
    if (::fsync(file_.get()) != 0) throw_posix_error(Access::write, "sync", path_, errno);
  }

  void close() override {
    // Linux frees the descriptor even when close() reports an error: never closed twice.
    if (::close(file_.release()) != 0 && errno != EINTR) {
      throw_posix_error(Access::write, "close", path_, errno);
    }
  }

 private:
  Descriptor file_;
  Path path_;
  std::int64_t size_;
};

class PosixFileMapping final : public FileMapping {
 public:
  PosixFileMapping(const Descriptor& file, const Path& path)
      : size_(static_cast<std::size_t>(size_of_open_file(file, path))) {
    if (size_ == 0) return;
    void* const begin = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, file.get(), 0);
    if (begin == MAP_FAILED) throw_posix_error(Access::read, "map", path, errno);
    begin_ = begin;
  }
  PosixFileMapping(const PosixFileMapping&) = delete;
  PosixFileMapping& operator=(const PosixFileMapping&) = delete;
  ~PosixFileMapping() override {
    if (begin_ != nullptr) ::munmap(begin_, size_);
  }

  [[nodiscard]] std::span<const std::byte> bytes() const override {
    return {static_cast<const std::byte*>(begin_), size_};
  }

 private:
  void* begin_ = nullptr;
  std::size_t size_;
};

}  // namespace

Descriptor::Descriptor(const Path& path, int flags, Access access)
    : descriptor_(::open(path.c_str(), flags | O_CLOEXEC, 0666)) {
  if (descriptor_ < 0) throw_posix_error(access, "open", path, errno);
}

Descriptor::~Descriptor() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Descriptor open_regular_file(const Path& path) {
  Descriptor file(path, O_RDONLY | O_NONBLOCK, Access::read);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) throw_posix_error(Access::read, "inspect", path, errno);
  if (!S_ISREG(status.st_mode)) {
    throw StorageError(
        StorageError::Kind::bad_format,
        fmt::format("cannot open '{}': it is {}, and a regular file is expected", path.string(),
                    S_ISDIR(status.st_mode) ? "a directory" : "a pipe, socket or device"));
  }
  return file;
}

std::int64_t size_of_open_file(const Descriptor& file, const Path& path) {
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) throw_posix_error(Access::read, "inspect", path, errno);
  return status.st_size;
}

std::unique_ptr<ReadableFile> make_readable_file(Descriptor file, Path path) {
  return std::make_unique<PosixReadableFile>(std::move(file), std::move(path));
}

std::unique_ptr<WritableFile> make_writable_file(Descriptor file, Path path) {
  return std::make_unique<PosixWritableFile>(std::move(file), std::move(path));
}

std::unique_ptr<FileMapping> make_file_mapping(const Descriptor& file, const Path& path) {
  return std::make_unique<PosixFileMapping>(file, path);
}

}  // namespace softmoe::storage
