#pragma once

// How every program of softmoe ends. docs/exit_codes.md is the same table for users.

#include <exception>

namespace softmoe::launcher {

enum class ExitCode : int {
  done = 0,
  usage = 64,     ///< unknown command or flag
  bad_data = 65,  ///< an input exists but is not what it should be
  input_missing = 66,
  unavailable = 69,  ///< a program or a service outside is not there, or says no
  internal = 70,     ///< a bug of ours
  cannot_write = 73,
  io = 74,              ///< the system failed while reading or writing
  restart = 75,         ///< saved, wants a restart: a drain, or a peer was lost
  refused = 77,         ///< the coordinator said no: role, secret, or a set-point it cannot hold
  configuration = 78,   ///< configuration or world size
  do_not_restart = 93,  ///< would fail again: no progress, repeated non-finite steps
};

/// The code that an error ends the program with.
[[nodiscard]] ExitCode exit_code_of(const std::exception& error);

}  // namespace softmoe::launcher
