#pragma once

// A wrong launcher starts N lonely "rank 0 of 1" without a word. So the number of ranks is asserted
// against what the launcher was asked for.

#include <functional>
#include <optional>
#include <string>

namespace softmoe::parallel {

/// How many ranks a run should have, and who says so.
struct ExpectedWorld {
  int size = 1;
  std::string source;  ///< "--expect-world", or the name of an environment variable
  friend bool operator==(const ExpectedWorld&, const ExpectedWorld&) = default;
};

/// Value of an environment variable, null if it is unset. std::getenv, but for tests.
using EnvironmentLookup = std::function<const char*(const char* name)>;

/// The first of: `given` (--expect-world), SLURM_NTASKS, OMPI_COMM_WORLD_SIZE; nothing if nobody
/// says. Under srun --mpi=pmix only Slurm's is set, under a plain mpirun only Open MPI's.
/// @throws ConfigError naming source and value if it is not a positive number.
[[nodiscard]] std::optional<ExpectedWorld> expected_world(std::optional<int> given,
                                                          const EnvironmentLookup& environment);

/// @throws ConfigError with the likely cause and the cure, in one line, if `actual` ranks are not
/// the expected ones.
void check_world_size(const std::optional<ExpectedWorld>& expected, int actual);

}  // namespace softmoe::parallel
