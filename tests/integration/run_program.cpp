#include "tests/integration/run_program.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstring>
#include <stdexcept>
#include <string_view>
#include <thread>

#include "tests/support/patience.h"

namespace softmoe::test {

namespace {

using namespace std::chrono_literals;

constexpr auto kPollEvery = 2ms;

bool is_of_a_launcher(std::string_view variable) {
  for (const std::string_view prefix : {"SLURM_", "OMPI_", "PMIX_"}) {
    if (variable.starts_with(prefix)) return true;
  }
  return false;
}

std::vector<std::string> environment_of(const Command& command) {
  std::vector<std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view variable(*entry);
    const std::string name(variable.substr(0, variable.find('=')));
    if (is_of_a_launcher(name) || command.environment.contains(name)) continue;
    variables.emplace_back(variable);
  }
  for (const auto& [name, value] : command.environment) variables.push_back(name + "=" + value);
  return variables;
}

std::vector<char*> pointers_to(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

RunningProgram::RunningProgram(const Command& command, std::chrono::milliseconds limit)
    : output_(memfd_create("output", MFD_CLOEXEC)),
      deadline_(std::chrono::steady_clock::now() + patience(limit)) {
  std::vector<std::string> words = command.words;
  std::vector<std::string> environment = environment_of(command);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addchdir_np(&actions, command.directory.c_str());
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output_, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, output_, STDERR_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  // A group of its own, so that what it starts can be killed with it.
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  const int error = posix_spawn(&pid_, words.front().c_str(), &actions, &attributes,
                                pointers_to(words).data(), pointers_to(environment).data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error == 0) return;
  ::close(output_);
  throw std::runtime_error("cannot start " + words.front() + ": " + std::strerror(error));
}

RunningProgram::~RunningProgram() {
  kill_and_reap();
  ::close(output_);
}

void RunningProgram::signal(int number) const {
  if (pid_ > 0) ::kill(pid_, number);
}

bool RunningProgram::wait_for_output(const std::string& text) {
  while (output().find(text) == std::string::npos) {
    if (has_ended()) return false;
    kill_if_late();
    std::this_thread::sleep_for(kPollEvery);
  }
  return true;
}

Ended RunningProgram::wait() {
  while (!has_ended()) {
    kill_if_late();
    std::this_thread::sleep_for(kPollEvery);
  }
  return {.code = WIFSIGNALED(status_) ? 128 + WTERMSIG(status_) : WEXITSTATUS(status_),
          .output = output()};
}

std::string RunningProgram::output() const {
  std::string text;
  std::array<char, 4096> chunk{};
  for (ssize_t got = 0;
       (got = ::pread(output_, chunk.data(), chunk.size(), static_cast<off_t>(text.size()))) > 0;) {
    text.append(chunk.data(), static_cast<std::size_t>(got));
  }
  return text;
}

bool RunningProgram::has_ended() {
  if (pid_ > 0 && ::waitpid(pid_, &status_, WNOHANG) == pid_) pid_ = -1;
  return pid_ < 0;
}

void RunningProgram::kill_if_late() {
  if (std::chrono::steady_clock::now() > deadline_) kill_and_reap();
}

void RunningProgram::kill_and_reap() {
  if (pid_ < 0) return;
  ::kill(-pid_, SIGKILL);
  ::waitpid(pid_, &status_, 0);
  pid_ = -1;
}

Ended run_program(const Command& command, std::chrono::milliseconds limit) {
  return RunningProgram(command, limit).wait();
}

}  // namespace softmoe::test
