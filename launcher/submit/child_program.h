#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "parallel/mpi/expected_world.h"
#include "runtime/base/deadline.h"

namespace softmoe::launcher {

/// How a program ended.
struct ProgramEnd {
  int code = -1;       ///< 128 + n after signal n
  std::string output;  ///< standard output
  std::string errors;  ///< standard error
};

/// Runs a program to its end. No shell is involved: every word arrives as it is. Its standard input
/// is empty.
///
/// @param words     the program, searched along PATH if it has no slash; then its arguments
/// @param deadline  when it is killed
/// @throws ConfigError if it cannot be started; StorageError io, with what it wrote, if it is late
[[nodiscard]] ProgramEnd run_to_end(const std::vector<std::string>& words,
                                    const Deadline& deadline);

/// Where PATH has a program of this name; nothing if nowhere.
[[nodiscard]] std::optional<std::string> find_program(
    std::string_view name, const parallel::EnvironmentLookup& environment);

/// The words as a POSIX shell has to be given them to hand on the same.
[[nodiscard]] std::string in_shell(const std::vector<std::string>& words);

/// Text as it is read by people: without the end of its last line.
[[nodiscard]] std::string trimmed(std::string_view text);

}  // namespace softmoe::launcher
