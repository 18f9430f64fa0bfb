#include "coordinator/secret_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "runtime/storage/posix_error.h"
#include "runtime/storage/posix_file_system.h"

namespace softmoe::coordinator {
namespace {

using storage::Access;
using storage::Path;

constexpr std::size_t kMaxBytes = 64 << 10;
constexpr mode_t kOwnerAlone = S_IRUSR | S_IWUSR;
constexpr mode_t kOthers = S_IRWXG | S_IRWXO;

/// An open file; closed at the end.
class OpenFile {
 public:
  explicit OpenFile(int descriptor) : descriptor_(descriptor) {}
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  ~OpenFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  [[nodiscard]] int get() const { return descriptor_; }

 private:
  int descriptor_;
};

/// A new file beside `path` that nobody else may read; a remnant of a killed writer gives way.
int create_beside(const Path& temporary) {
  ::unlink(temporary.c_str());
  const int descriptor =
      ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kOwnerAlone);
  if (descriptor < 0) throw_posix_error(Access::write, "create", temporary, errno);
  return descriptor;
}

void write_all(int descriptor, std::string_view text, const Path& path) {
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw_posix_error(Access::write, "write", path, errno);
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

std::string read_all(int descriptor, const Path& path) {
  std::string text(kMaxBytes + 1, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = ::read(descriptor, text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw_posix_error(Access::read, "read", path, errno);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  if (size > kMaxBytes) {
    throw ConfigError(fmt::format("'{}' is larger than the {} bytes that a token or key can have",
                                  path.string(), kMaxBytes));
  }
  text.resize(size);
  return text;
}

}  // namespace

void write_secret(const Path& path, std::string_view text) {
  Path temporary = path;
  temporary += fmt::format(".tmp-{}", ::getpid());
  try {
    const OpenFile file(create_beside(temporary));
    // Whatever the umask took away or left.
    if (::fchmod(file.get(), kOwnerAlone) != 0)
      throw_posix_error(Access::write, "set the mode of", temporary, errno);
    write_all(file.get(), text, temporary);
    if (::fsync(file.get()) != 0) throw_posix_error(Access::write, "sync", temporary, errno);
    if (::rename(temporary.c_str(), path.c_str()) != 0)
      throw_posix_error(Access::write, fmt::format("rename to '{}'", path.string()), temporary,
                        errno);
  } catch (const StorageError&) {
    ::unlink(temporary.c_str());
    throw;
  }
  storage::PosixFileSystem().sync_directory(storage::directory_of(path));
}

std::string read_secret(const Path& path) {
  // A pipe in its place must not make the open wait.
  const OpenFile file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) throw_posix_error(Access::read, "open", path, errno);
  struct stat found = {};
  if (::fstat(file.get(), &found) != 0) throw_posix_error(Access::read, "look at", path, errno);
  if (!S_ISREG(found.st_mode))
    throw ConfigError(fmt::format("'{}' is no regular file", path.string()));
  if ((found.st_mode & kOthers) != 0) {
    throw ConfigError(fmt::format(
        "'{0}' holds a secret and has mode {1:04o}: others may read or change it. Run `chmod 600 "
        "{0}`; if anybody may have read it, make a new one",
        path.string(), found.st_mode & 07777));
  }
  return read_all(file.get(), path);
}

}  // namespace softmoe::coordinator
