#pragma once

// Facts of this process and machine. Nothing is judged here, and nothing is changed.

#include "launcher/doctor/launch_checks.h"
#include "launcher/doctor/library_checks.h"
#include "launcher/doctor/machine_checks.h"

namespace softmoe::launcher {

[[nodiscard]] EnvironmentFacts gather_environment();
[[nodiscard]] MpiFacts gather_mpi();
/// Runs `srun --mpi=list` where there is an srun.
[[nodiscard]] LauncherFacts gather_launchers();
[[nodiscard]] GpuFacts gather_gpus(const EnvironmentFacts& environment);
[[nodiscard]] BlasFacts gather_blas();

[[nodiscard]] SharedMemoryFacts gather_shared_memory();
[[nodiscard]] LimitFacts gather_limits();
[[nodiscard]] CoreFacts gather_cores();
[[nodiscard]] MemoryFacts gather_memory();
[[nodiscard]] NetworkFacts gather_network();
[[nodiscard]] ClockFacts gather_clock();

}  // namespace softmoe::launcher
