#pragma once

#include <sys/types.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/deadline.h"
#include "runtime/storage/file_system.h"

namespace softmoe::training {

/// A program that was started to be talked to: what is sent arrives on its standard input, what it
/// writes to standard output is received. No shell is involved.
///
/// When it ends before its time, sending and receiving throw what it wrote to standard error, by
/// its exit code (sysexits.h): 64 ConfigError; 65, 66, 73 StorageError of kind bad_format, missing,
/// cannot_write; any other code, or a signal, StorageError io. A deadline that passes is
/// StorageError io too. After any of these the process is gone. Its output must be received now and
/// then: it may wait for that.
class ChildProcess {
 public:
  /// @param program    a path; it is not searched for.
  /// @param arguments  without the program's name.
  /// @throws ConfigError if the program cannot be started, with the cure.
  ChildProcess(const storage::Path& program, const std::vector<std::string>& arguments);
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  /// Kills the program if it still runs, and waits for its end.
  ~ChildProcess();

  void send(std::string_view bytes, const Deadline& deadline);
  /// Fills `bytes`.
  void receive(std::span<char> bytes, const Deadline& deadline);
  /// Closes its standard input and waits for it to end with code 0; what it still writes is
  /// dropped.
  void finish(const Deadline& deadline);

 private:
  void wait_for(short event, const Deadline& deadline);
  [[nodiscard]] int reap(const Deadline& deadline);
  [[noreturn]] void throw_ended(const Deadline& deadline);
  [[noreturn]] void throw_status(int status) const;
  [[noreturn]] void throw_late(const Deadline& deadline);
  void kill_and_reap() noexcept;
  [[nodiscard]] std::string complaint() const;

  std::string name_;  ///< program and verb, for messages
  pid_t pid_ = -1;
  int conversation_ = -1;  ///< socket: its standard input and output
  int errors_ = -1;        ///< file in memory: its standard error
};

}  // namespace softmoe::training
