#include "parallel/mpi/expected_world.h"

#include <gmock/gmock.h>

#include <map>

#include "runtime/base/errors.h"

namespace softmoe::parallel {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

EnvironmentLookup environment(std::map<std::string, std::string> variables) {
  return [variables = std::move(variables)](const char* name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  };
}

TEST(ExpectedWorld, ComesFromTheFlagThenSlurmThenOpenMpi) {
  const auto both = environment({{"SLURM_NTASKS", "8"}, {"OMPI_COMM_WORLD_SIZE", "4"}});
  const auto open_mpi = environment({{"OMPI_COMM_WORLD_SIZE", "4"}});

  EXPECT_EQ(expected_world(2, both)->size, 2);
  EXPECT_EQ(expected_world(2, both)->source, "--expect-world");
  EXPECT_EQ(expected_world({}, both)->size, 8);
  EXPECT_EQ(expected_world({}, both)->source, "SLURM_NTASKS");
  EXPECT_EQ(expected_world({}, open_mpi)->size, 4);
  EXPECT_EQ(expected_world({}, open_mpi)->source, "OMPI_COMM_WORLD_SIZE");
  EXPECT_EQ(expected_world({}, environment({})), std::nullopt);
}

TEST(ExpectedWorld, RefusesWhatIsNotANumberOfRanks) {
  for (const char* value : {"", "two", "4x", "0", "-1", "99999999999", " 4"}) {
    EXPECT_THAT(
        [&] {
          return expected_world({}, environment({{"SLURM_NTASKS", value}}));
        },
        ThrowsMessage<ConfigError>(
            AllOf(HasSubstr("SLURM_NTASKS"), HasSubstr(value), HasSubstr("--expect-world"))));
  }
  EXPECT_THROW(static_cast<void>(expected_world(0, environment({}))), ConfigError);
}

TEST(ExpectedWorld, NamesTheCureForRanksThatDoNotSeeEachOther) {
  const ExpectedWorld four{.size = 4, .source = "SLURM_NTASKS"};

  EXPECT_THAT([&] { check_world_size(four, 1); },
              ThrowsMessage<ConfigError>(AllOf(HasSubstr("MPI has 1 rank, but SLURM_NTASKS says 4"),
                                               HasSubstr("srun --mpi=pmix"),
                                               HasSubstr("--expect-world 1"))));
  EXPECT_THAT([&] { check_world_size(four, 2); },
              ThrowsMessage<ConfigError>(HasSubstr("MPI has 2 ranks, but SLURM_NTASKS says 4")));
}

TEST(ExpectedWorld, AcceptsTheRightNumberAndNoExpectation) {
  EXPECT_NO_THROW(check_world_size(ExpectedWorld{.size = 4, .source = "SLURM_NTASKS"}, 4));
  EXPECT_NO_THROW(check_world_size(std::nullopt, 3));
}

}  // namespace
}  // namespace softmoe::parallel
