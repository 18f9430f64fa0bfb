#include <fmt/format.h>

#include "launcher/commands/command.h"

namespace softmoe::launcher {

ExitCode print_version() {
  fmt::print("softmoe {}\n", SOFTMOE_VERSION);
  fmt::print("backends: cpu, reference; communicators: threads, MPI; this build has no CUDA\n");
  return ExitCode::done;
}

}  // namespace softmoe::launcher
