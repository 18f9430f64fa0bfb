#pragma once

// Programs as their users run them: words, a working directory, an environment; no shell.

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace softmoe::test {

/// What to start, and where.
struct Command {
  std::vector<std::string> words;  ///< the program's path, then its arguments
  std::filesystem::path directory;
  std::map<std::string, std::string> environment = {};  ///< above that of the test, see below
};

/// How a program ended.
struct Ended {
  int code = -1;       ///< 128 + n after signal n
  std::string output;  ///< standard output and standard error, as they came
};

/// A program that runs. It does not see what a launcher may have told the test (SLURM_*, OMPI_*,
/// PMIX_*). It is killed at its deadline, and at the end of this object.
class RunningProgram {
 public:
  /// @throws std::runtime_error if it cannot be started.
  RunningProgram(const Command& command, std::chrono::milliseconds limit);
  RunningProgram(const RunningProgram&) = delete;
  RunningProgram& operator=(const RunningProgram&) = delete;
  ~RunningProgram();

  void signal(int number) const;
  /// Waits until it has written `text`. @return whether it did before it ended
  [[nodiscard]] bool wait_for_output(const std::string& text);
  /// Waits for its end.
  [[nodiscard]] Ended wait();

 private:
  [[nodiscard]] std::string output() const;
  [[nodiscard]] bool has_ended();
  void kill_if_late();
  void kill_and_reap();

  pid_t pid_ = -1;
  int output_ = -1;  ///< file in memory
  int status_ = 0;
  std::chrono::steady_clock::time_point deadline_;
};

/// Starts it and waits for its end.
[[nodiscard]] Ended run_program(const Command& command,
                                std::chrono::milliseconds limit = std::chrono::seconds(60));

}  // namespace softmoe::test
