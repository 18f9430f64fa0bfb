#pragma once

// MPI, and what started this process.

#include <map>
#include <optional>
#include <string>

#include "launcher/doctor/finding.h"

namespace softmoe::launcher {

struct MpiFacts {
  std::string built_with;  ///< the library that the build found, in its own words; empty: unknown
  std::string running;     ///< the one that this process has loaded
};

/// "4.1.4" in "Open MPI v4.1.4, package: ...", or nothing.
[[nodiscard]] std::optional<std::string> version_in(const std::string& library);
[[nodiscard]] Finding check_mpi_library(const MpiFacts& facts);

/// Programs that start ranks.
struct LauncherFacts {
  std::string mpirun;    ///< path, or empty
  std::string srun;      ///< path, or empty
  std::string srun_mpi;  ///< what `srun --mpi=list` says
};
[[nodiscard]] Finding check_launchers(const LauncherFacts& facts);

/// The environment, as far as launchers and communication libraries read it.
using EnvironmentFacts = std::map<std::string, std::string>;

/// Whether this process is one of several ranks, and whether they would find each other.
/// @param expect_world  --expect-world, if it was given
[[nodiscard]] Finding check_launch(const EnvironmentFacts& environment,
                                   std::optional<int> expect_world);
/// Slurm with PMIx before its fence waits for data: one run in fifteen crashes in MPI_Init.
[[nodiscard]] Finding check_fence(const EnvironmentFacts& environment);
/// Ranks that poll take the processor from those that compute, where there are more of them than
/// cores. @param cores of the machine
[[nodiscard]] Finding check_idle_ranks(const EnvironmentFacts& environment, int cores);

struct GpuFacts {
  int devices = 0;
  std::string reason;   ///< why there are none
  std::string driver;   ///< of the kernel, in its own words; empty: not loaded
  std::string nccl;     ///< "NCCL 2.28.9" or "no NCCL"
  std::string visible;  ///< CUDA_VISIBLE_DEVICES; empty: not set
};
[[nodiscard]] Finding check_gpus(const GpuFacts& facts);
/// NCCL's own variables, those that are for looking for errors flagged.
[[nodiscard]] Finding check_nccl_variables(const EnvironmentFacts& environment);

}  // namespace softmoe::launcher
