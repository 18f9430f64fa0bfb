#pragma once

namespace softmoe::launcher {

/// The `softmoe` command. The only place that catches: reports the error, tells the peers, and
/// returns a code of exit_code.h. After an error among ranks the process leaves without unwinding
/// MPI.
[[nodiscard]] int run_program(int argc, char** argv);

}  // namespace softmoe::launcher
