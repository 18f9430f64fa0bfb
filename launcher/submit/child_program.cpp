#include "launcher/submit/child_program.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <thread>

#include "runtime/base/errors.h"

namespace softmoe::launcher {

namespace {

constexpr std::chrono::milliseconds kPollEvery{2};

[[noreturn]] void throw_system(std::string_view operation, int error) {
  throw StorageError(StorageError::Kind::io,
                     fmt::format("cannot {}: {}", operation, std::strerror(error)));
}

/// A file in memory that a child writes to.
class Capture {
 public:
  Capture() : file_(memfd_create("output", MFD_CLOEXEC)) {
    if (file_ < 0) throw_system("make a file in memory", errno);
  }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;
  ~Capture() { ::close(file_); }

  [[nodiscard]] int descriptor() const { return file_; }

  [[nodiscard]] std::string text() const {
    std::string text;
    std::array<char, 4096> chunk{};
    for (ssize_t got = 0;
         (got = ::pread(file_, chunk.data(), chunk.size(), static_cast<off_t>(text.size()))) > 0;) {
      text.append(chunk.data(), static_cast<std::size_t>(got));
    }
    return text;
  }

 private:
  int file_;
};

/// Owns the two attribute objects of posix_spawn.
class SpawnSettings {
 public:
  SpawnSettings(const Capture& output, const Capture& errors) {
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, output.descriptor(), STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, errors.descriptor(), STDERR_FILENO);
    posix_spawnattr_init(&attributes);
    // A group of its own, so that what it starts can be killed with it.
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
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

pid_t start(std::vector<std::string> words, const Capture& output, const Capture& errors) {
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const SpawnSettings settings(output, errors);
  pid_t pid = -1;
  const int error = posix_spawnp(&pid, words.front().c_str(), &settings.actions,
                                 &settings.attributes, argv.data(), environ);
  if (error != 0)
    throw ConfigError(fmt::format("cannot start {}: {}", words.front(), std::strerror(error)));
  return pid;
}

/// @return the status, or nothing after the deadline; then it was killed
std::optional<int> wait_for(pid_t pid, const Deadline& deadline) {
  for (;;) {
    int status = 0;
    const pid_t ended = ::waitpid(pid, &status, WNOHANG);
    if (ended == pid) return status;
    if (ended < 0 && errno != EINTR) throw_system("learn how a program ended", errno);
    if (deadline.passed()) {
      ::kill(-pid, SIGKILL);
      while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
      }
      return std::nullopt;
    }
    std::this_thread::sleep_for(kPollEvery);
  }
}

bool is_plain(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
         std::string_view("%+,-./:=@_").find(c) != std::string_view::npos;
}

std::string quoted(const std::string& word) {
  if (!word.empty() && std::all_of(word.begin(), word.end(), is_plain)) return word;
  std::string text = "'";
  for (const char c : word) {
    if (c == '\'') {
      text += R"('\'')";
    } else {
      text += c;
    }
  }
  text += '\'';
  return text;
}

}  // namespace

ProgramEnd run_to_end(const std::vector<std::string>& words, const Deadline& deadline) {
  require(!words.empty(), "a program needs a name");
  const Capture output;
  const Capture errors;
  const std::optional<int> status = wait_for(start(words, output, errors), deadline);
  if (!status) {
    throw StorageError(
        StorageError::Kind::io,
        fmt::format("`{}` did not end within {} s: {}", in_shell(words),
                    deadline.limit().count() / 1000, trimmed(errors.text() + output.text())));
  }
  return {.code = WIFSIGNALED(*status) ? 128 + WTERMSIG(*status) : WEXITSTATUS(*status),
          .output = output.text(),
          .errors = errors.text()};
}

std::optional<std::string> find_program(std::string_view name,
                                        const parallel::EnvironmentLookup& environment) {
  const char* path = environment("PATH");
  std::string_view folders = path == nullptr ? "" : path;
  while (!folders.empty()) {
    const std::string_view folder = folders.substr(0, folders.find(':'));
    folders.remove_prefix(std::min(folder.size() + 1, folders.size()));
    const std::string file = fmt::format("{}/{}", folder, name);
    if (!folder.empty() && ::access(file.c_str(), X_OK) == 0) return file;
  }
  return std::nullopt;
}

std::string in_shell(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) {
    if (!text.empty()) text += ' ';
    text += quoted(word);
  }
  return text;
}

std::string trimmed(std::string_view text) {
  const std::size_t last = text.find_last_not_of(" \n\r\t");
  return std::string(text.substr(0, last == std::string_view::npos ? 0 : last + 1));
}

}  // namespace softmoe::launcher
