#include "parallel/mpi/expected_world.h"

#include <fmt/format.h>

#include <charconv>
#include <string_view>

#include "runtime/base/errors.h"

namespace softmoe::parallel {

namespace {

constexpr std::string_view kFlag = "--expect-world";

[[noreturn]] void reject(std::string_view source, std::string_view value) {
  throw ConfigError(fmt::format("{} is '{}', which is not a number of ranks: give {} N with N >= 1",
                                source, value, kFlag));
}

int parse_size(std::string_view source, std::string_view value) {
  int size = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), size);
  if (error != std::errc() || end != value.data() + value.size() || size < 1) reject(source, value);
  return size;
}

}  // namespace

std::optional<ExpectedWorld> expected_world(std::optional<int> given,
                                            const EnvironmentLookup& environment) {
  if (given) {
    if (*given < 1) reject(kFlag, std::to_string(*given));
    return ExpectedWorld{.size = *given, .source = std::string(kFlag)};
  }
  for (const char* name : {"SLURM_NTASKS", "OMPI_COMM_WORLD_SIZE"}) {
    if (const char* value = environment(name); value != nullptr)
      return ExpectedWorld{.size = parse_size(name, value), .source = name};
  }
  return std::nullopt;
}

void check_world_size(const std::optional<ExpectedWorld>& expected, int actual) {
  if (!expected || expected->size == actual) return;
  const std::string_view cure =
      actual == 1 ? "the processes do not see each other, start them with `srun --mpi=pmix` or "
                    "`mpirun`"
                  : "start that many ranks";
  throw ConfigError(fmt::format(
      "MPI has {} rank{}, but {} says {}: {}, or give {} {} if {} is what you want", actual,
      actual == 1 ? "" : "s", expected->source, expected->size, cure, kFlag, actual, actual));
}

}  // namespace softmoe::parallel
