#include "launcher/run/launch_environment.h"

#include <charconv>
#include <cstdlib>
#include <string_view>

namespace softmoe::launcher {

namespace {

/// mpirun says the number of ranks before MPI starts, and before a wrong one shows as some other
/// mistake.
void check_launched_world(const std::optional<parallel::ExpectedWorld>& expected,
                          const parallel::EnvironmentLookup& environment) {
  const auto by_mpirun = [&](std::string_view name) {
    return name == "OMPI_COMM_WORLD_SIZE" ? environment("OMPI_COMM_WORLD_SIZE") : nullptr;
  };
  const auto launched = parallel::expected_world(std::nullopt, by_mpirun);
  if (launched) parallel::check_world_size(expected, launched->size);
}

}  // namespace

int launched_rank(const parallel::EnvironmentLookup& environment) {
  int rank = 0;
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "SLURM_PROCID"}) {
    const char* value = environment(name);
    if (value == nullptr) continue;
    const std::string_view text(value);
    std::from_chars(text.data(), text.data() + text.size(), rank);
    break;
  }
  return rank;
}

LaunchEnvironment read_environment(std::optional<int> expect_world,
                                   const parallel::EnvironmentLookup& environment) {
  LaunchEnvironment result{.expected = parallel::expected_world(expect_world, environment),
                           .rank = launched_rank(environment)};
  check_launched_world(result.expected, environment);
  return result;
}

const char* lookup_environment(const char* name) {
  return std::getenv(name);
}

}  // namespace softmoe::launcher
