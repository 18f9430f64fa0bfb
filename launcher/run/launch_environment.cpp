#include "launcher/run/launch_environment.h"

#include <charconv>
#include <cstdlib>
#include <string_view>

namespace softmoe::launcher {

LaunchEnvironment read_environment(std::optional<int> expect_world,
                                   const parallel::EnvironmentLookup& environment) {
  // mpirun tells before MPI starts, and before a wrong number of ranks shows as some other mistake.
  if (const auto launched = parallel::expected_world(std::nullopt, [&](const char* name) {
        return std::string_view(name) == "OMPI_COMM_WORLD_SIZE" ? environment(name) : nullptr;
      })) {
    parallel::check_world_size(parallel::expected_world(expect_world, environment), launched->size);
  }
  LaunchEnvironment result{.expected = parallel::expected_world(expect_world, environment)};
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "SLURM_PROCID"}) {
    const char* value = environment(name);
    if (value == nullptr) continue;
    const std::string_view text(value);
    std::from_chars(text.data(), text.data() + text.size(), result.rank);
    break;
  }
  return result;
}

const char* lookup_environment(const char* name) {
  return std::getenv(name);
}

}  // namespace softmoe::launcher
