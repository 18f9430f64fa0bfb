#pragma once

#include <optional>

#include "parallel/mpi/expected_world.h"

namespace softmoe::launcher {

/// What the launcher (mpirun, srun, nobody) says about this process, before MPI is started.
struct LaunchEnvironment {
  std::optional<parallel::ExpectedWorld> expected;  ///< nothing: this process is alone
  int rank = 0;

  [[nodiscard]] int world() const { return expected ? expected->size : 1; }
};

/// The number that the launcher gave this process; 0 if nobody did.
[[nodiscard]] int launched_rank(const parallel::EnvironmentLookup& environment);

/// @param expect_world value of --expect-world
/// @throws ConfigError if the environment makes no sense, or mpirun started another number of ranks
[[nodiscard]] LaunchEnvironment read_environment(std::optional<int> expect_world,
                                                 const parallel::EnvironmentLookup& environment);

/// This process's own environment.
[[nodiscard]] const char* lookup_environment(const char* name);

}  // namespace softmoe::launcher
