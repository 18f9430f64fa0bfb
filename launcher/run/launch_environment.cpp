#include "launcher/run/launch_environment.h"

#include <charconv>
#include <cstdlib>
#include <string_view>

namespace softmoe::launcher {

LaunchEnvironment read_environment(std::optional<int> expect_world,
                                   const parallel::EnvironmentLookup& environment) {
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
