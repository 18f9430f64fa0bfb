#include <fmt/format.h>

#include "launcher/commands/command.h"
#include "parallel/nccl_world.h"
#include "runtime/device/cuda_device.h"

namespace softmoe::launcher {

ExitCode print_version() {
  fmt::print("softmoe {}\n", SOFTMOE_VERSION);
  fmt::print("backends: cpu, reference, cuda; communicators: threads, MPI, {}\n",
             parallel::nccl_version());
  const CudaAvailability gpus = cuda_availability();
  if (gpus.num_devices > 0) {
    fmt::print("GPUs: {}\n", gpus.num_devices);
  } else {
    fmt::print("GPUs: none, {}\n", gpus.reason);
  }
  return ExitCode::done;
}

}  // namespace softmoe::launcher
