#include "coordinator/journal_lock.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>

namespace softmoe::coordinator {
namespace {

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "?";
}

/// What the owner wrote; empty if it had no time to.
std::string owner_of(const storage::Descriptor& file) {
  std::array<char, 300> text{};
  const ssize_t got = ::pread(file.get(), text.data(), text.size() - 1, 0);
  std::string owner(text.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
  return owner.substr(0, owner.find('\n'));
}

}  // namespace

JournalLock::JournalLock(const storage::Path& path)
    : file_(path, O_RDWR | O_CREAT, storage::Access::write) {
  if (::flock(file_.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) {
      storage::throw_posix_error(storage::Access::write, "lock", path, errno);
    }
    throw StorageError(
        StorageError::Kind::cannot_write,
        fmt::format("'{}' is held by another coordinator ({}); end that one, or give this run a "
                    "folder of its own",
                    path.string(), owner_of(file_)));
  }
  const std::string owner = fmt::format("pid {} on {}\n", ::getpid(), host_name());
  const bool is_written =
      ::ftruncate(file_.get(), 0) == 0 &&
      ::pwrite(file_.get(), owner.data(), owner.size(), 0) == static_cast<ssize_t>(owner.size());
  if (!is_written) storage::throw_posix_error(storage::Access::write, "write", path, errno);
}

}  // namespace softmoe::coordinator
