#include "training/corpus/child_process.h"

#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <thread>
#include <utility>

#include "tokenizer/protocol.h"

namespace softmoe::training {
namespace {

using tokenizer::ExitCode;

constexpr std::size_t kMaxComplaintBytes = 4096;

[[noreturn]] void throw_system(std::string_view operation, int error) {
  throw StorageError(StorageError::Kind::io,
                     fmt::format("cannot {}: {}", operation, std::strerror(error)));
}

/// Owns the two attribute objects of posix_spawn.
class SpawnSettings {
 public:
  /// The program gets the descriptors as 0, 1 and 2, and no blocked or ignored signal of ours.
  SpawnSettings(int conversation, int errors) {
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, conversation, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, conversation, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO);
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;
  ~SpawnSettings() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }

  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
};

}  // namespace

ChildProcess::ChildProcess(const storage::Path& program, const std::vector<std::string>& arguments)
    : name_(program.filename().string() + (arguments.empty() ? "" : " " + arguments.front())) {
  // A socket, not two pipes: sending to a program that is gone is then an error and no SIGPIPE.
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    throw_system("make a socket pair", errno);
  conversation_ = ends[0];
  errors_ = memfd_create("standard error", MFD_CLOEXEC);
  const int memory_error = errno;

  std::vector<std::string> words = {program.string()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  int error = 0;
  if (errors_ >= 0) {
    const SpawnSettings settings(ends[1], errors_);
    error = posix_spawn(&pid_, program.c_str(), &settings.actions, &settings.attributes,
                        argv.data(), environ);
  }
  ::close(ends[1]);
  if (errors_ >= 0 && error == 0) return;

  pid_ = -1;
  kill_and_reap();
  if (error == 0) throw_system("make a file in memory", memory_error);
  throw ConfigError(
      fmt::format("cannot start {}: {}; it is built as the target `softmoe-tokenizer` and "
                  "installed beside `softmoe`",
                  program.string(), std::strerror(error)));
}

ChildProcess::~ChildProcess() {
  kill_and_reap();
}

void ChildProcess::send(std::string_view bytes, const Deadline& deadline) {
  while (!bytes.empty()) {
    const ssize_t sent =
        ::send(conversation_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      wait_for(POLLOUT, deadline);
    } else if (errno == EPIPE || errno == ECONNRESET) {
      throw_ended(deadline);
    } else if (errno != EINTR) {
      throw_system(fmt::format("send to `{}`", name_), errno);
    }
  }
}

void ChildProcess::receive(std::span<char> bytes, const Deadline& deadline) {
  while (!bytes.empty()) {
    const ssize_t got = ::recv(conversation_, bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (got > 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(got));
    } else if (got == 0 || errno == ECONNRESET) {
      throw_ended(deadline);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      wait_for(POLLIN, deadline);
    } else if (errno != EINTR) {
      throw_system(fmt::format("receive from `{}`", name_), errno);
    }
  }
}

void ChildProcess::finish(const Deadline& deadline) {
  ::shutdown(conversation_, SHUT_WR);
  char dropped[4096];
  for (;;) {
    const ssize_t got = ::recv(conversation_, dropped, sizeof dropped, MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno == ECONNRESET)) break;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      wait_for(POLLIN, deadline);
    } else if (got < 0 && errno != EINTR) {
      throw_system(fmt::format("receive from `{}`", name_), errno);
    }
  }
  if (const int status = reap(deadline); !WIFEXITED(status) || WEXITSTATUS(status) != 0)
    throw_status(status);
}

void ChildProcess::wait_for(short event, const Deadline& deadline) {
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(deadline.end() - Deadline::Clock::now());
  pollfd watched = {.fd = conversation_, .events = event, .revents = 0};
  const int ready =
      ::poll(&watched, 1, static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 60'000)));
  if (ready == 0 && deadline.passed()) throw_late(deadline);
}

int ChildProcess::reap(const Deadline& deadline) {
  // It has closed its output, so its end is near: a short sleep costs nothing.
  for (;;) {
    int status = 0;
    const pid_t ended = ::waitpid(pid_, &status, WNOHANG);
    if (ended == pid_) {
      pid_ = -1;
      return status;
    }
    if (ended < 0 && errno != EINTR)
      throw_system(fmt::format("learn how `{}` ended", name_), errno);
    if (deadline.passed()) throw_late(deadline);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

void ChildProcess::throw_ended(const Deadline& deadline) {
  throw_status(reap(deadline));
}

void ChildProcess::throw_status(int status) const {
  using Kind = StorageError::Kind;
  if (WIFSIGNALED(status)) {
    throw StorageError(
        Kind::io, fmt::format("`{}` was ended by signal {} ({}){}; is there memory enough?", name_,
                              WTERMSIG(status), strsignal(WTERMSIG(status)), complaint()));
  }
  const std::string message = fmt::format("`{}` failed{}", name_, complaint());
  switch (static_cast<ExitCode>(WEXITSTATUS(status))) {
    case ExitCode::usage:
      throw ConfigError(message);
    case ExitCode::bad_data:
      throw StorageError(Kind::bad_format, message);
    case ExitCode::missing_input:
      throw StorageError(Kind::missing, message);
    case ExitCode::cannot_write:
      throw StorageError(Kind::cannot_write, message);
    default:
      throw StorageError(Kind::io, fmt::format("`{}` ended early with exit code {}{}", name_,
                                               WEXITSTATUS(status), complaint()));
  }
}

void ChildProcess::throw_late(const Deadline& deadline) {
  const std::string message = fmt::format("`{}` did not answer within {} ms{}", name_,
                                          deadline.limit().count(), complaint());
  kill_and_reap();
  throw StorageError(StorageError::Kind::io, message);
}

void ChildProcess::kill_and_reap() noexcept {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
  }
  if (conversation_ >= 0) ::close(std::exchange(conversation_, -1));
  if (errors_ >= 0) ::close(std::exchange(errors_, -1));
}

std::string ChildProcess::complaint() const {
  char text[kMaxComplaintBytes];
  const ssize_t got = errors_ < 0 ? 0 : ::pread(errors_, text, sizeof text, 0);
  std::string_view said(text, static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  while (said.ends_with('\n')) said.remove_suffix(1);
  return said.empty() ? "" : fmt::format(": {}", said);
}

}  // namespace softmoe::training
