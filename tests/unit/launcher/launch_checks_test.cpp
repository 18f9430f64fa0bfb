#include "launcher/doctor/launch_checks.h"

#include <gmock/gmock.h>

namespace softmoe::launcher {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kOpenMpi = "Open MPI v4.1.4, package: Debian OpenMPI, ident: 4.1.4";

TEST(DoctorMpi, AcceptsTheLibraryOfTheBuild) {
  const Finding finding = check_mpi_library({.built_with = kOpenMpi, .running = kOpenMpi});

  EXPECT_EQ(finding.verdict, Verdict::ok);
  EXPECT_THAT(finding.found, HasSubstr("Open MPI v4.1.4"));
}

TEST(DoctorMpi, WarnsOfAnotherVersion) {
  const Finding finding =
      check_mpi_library({.built_with = kOpenMpi, .running = "Open MPI v4.1.6, package: x"});

  EXPECT_EQ(finding.verdict, Verdict::warn);
  EXPECT_THAT(finding.found, AllOf(HasSubstr("4.1.6"), HasSubstr("4.1.4")));
}

TEST(DoctorMpi, FailsOnAnotherMake) {
  const Finding finding =
      check_mpi_library({.built_with = kOpenMpi, .running = "MPICH Version: 4.1.4\nDate: x"});

  EXPECT_EQ(finding.verdict, Verdict::fail);
  EXPECT_THAT(finding.found, AllOf(HasSubstr("MPICH"), HasSubstr("Open MPI")));
}

TEST(DoctorMpi, DoesNotGuessWhereTheBuildSaysNothing) {
  EXPECT_EQ(check_mpi_library({.built_with = "", .running = kOpenMpi}).verdict, Verdict::warn);
  EXPECT_EQ(check_mpi_library({.built_with = kOpenMpi, .running = ""}).verdict, Verdict::fail);
}

TEST(DoctorLaunchers, WantsOneThatStartsRanksTogether) {
  EXPECT_EQ(check_launchers({.mpirun = "/opt/mpirun", .srun = ""}).verdict, Verdict::ok);
  EXPECT_EQ(check_launchers({}).verdict, Verdict::warn);
  EXPECT_EQ(
      check_launchers({.srun = "/opt/srun", .srun_mpi = "MPI plugin types are...\nnone\npmi2\n"})
          .verdict,
      Verdict::fail);
  EXPECT_EQ(
      check_launchers({.srun = "/opt/srun", .srun_mpi = "MPI plugin types are...\nnone\npmix\n"})
          .verdict,
      Verdict::ok);
  // mpirun is there to fall back on, and the only one where no cluster answers.
  EXPECT_EQ(check_launchers({.mpirun = "/opt/mpirun",
                             .srun = "/opt/srun",
                             .srun_mpi = "MPI plugin types are...\nnone\n"})
                .verdict,
            Verdict::warn);
  EXPECT_EQ(check_launchers({.mpirun = "/opt/mpirun",
                             .srun = "/opt/srun",
                             .srun_mpi = "srun: fatal: Could not establish a configuration source"})
                .verdict,
            Verdict::ok);
}

TEST(DoctorLaunch, FailsOnTasksOfSrunThatWouldBeAlone) {
  const EnvironmentFacts tasks = {
      {"SLURM_JOB_ID", "7"}, {"SLURM_STEP_ID", "0"}, {"SLURM_PROCID", "1"}, {"SLURM_NTASKS", "4"}};
  EnvironmentFacts with_pmix = tasks;
  with_pmix["PMIX_RANK"] = "1";

  const Finding alone = check_launch(tasks, std::nullopt);

  EXPECT_EQ(alone.verdict, Verdict::fail);
  EXPECT_THAT(alone.cure, HasSubstr("--mpi=pmix"));
  EXPECT_EQ(check_launch(with_pmix, std::nullopt).verdict, Verdict::ok);
}

TEST(DoctorLaunch, FailsOnAnotherWorldThanExpected) {
  const Finding by_mpirun = check_launch({{"OMPI_COMM_WORLD_SIZE", "2"}}, 4);
  const Finding alone = check_launch({}, 4);

  EXPECT_EQ(by_mpirun.verdict, Verdict::fail);
  EXPECT_THAT(by_mpirun.found, AllOf(HasSubstr("2 ranks"), HasSubstr("4 are expected")));
  EXPECT_EQ(alone.verdict, Verdict::fail);
  EXPECT_EQ(check_launch({{"OMPI_COMM_WORLD_SIZE", "4"}}, 4).verdict, Verdict::ok);
  EXPECT_EQ(check_launch({}, std::nullopt).verdict, Verdict::ok);
  EXPECT_EQ(check_launch({}, 1).verdict, Verdict::ok);
}

TEST(DoctorLaunch, AllowsAShellInsideAnAllocation) {
  EXPECT_EQ(check_launch({{"SLURM_JOB_ID", "7"}, {"SLURM_NTASKS", "4"}}, std::nullopt).verdict,
            Verdict::ok);
}

TEST(DoctorLaunch, IsNotMisledByNumbersThatAreNone) {
  EXPECT_EQ(check_launch({{"OMPI_COMM_WORLD_SIZE", "two"}}, std::nullopt).verdict, Verdict::ok);
  EXPECT_EQ(check_idle_ranks({{"OMPI_COMM_WORLD_LOCAL_SIZE", ""}}, 1).verdict, Verdict::ok);
}

TEST(DoctorFence, WantsTheRingInsideSlurm) {
  EXPECT_EQ(check_fence({}).verdict, Verdict::ok);
  EXPECT_EQ(check_fence({{"SLURM_JOB_ID", "7"}}).verdict, Verdict::warn);
  EXPECT_EQ(check_fence({{"SLURM_JOB_ID", "7"}, {"SLURM_PMIX_FENCE", "tree"}}).verdict,
            Verdict::warn);
  EXPECT_EQ(check_fence({{"SLURM_JOB_ID", "7"}, {"SLURM_PMIX_FENCE", "ring"}}).verdict,
            Verdict::ok);
}

TEST(DoctorIdleRanks, WarnsWhereRanksPollOnTooFewCores) {
  EnvironmentFacts environment = {{"OMPI_COMM_WORLD_LOCAL_SIZE", "4"}};

  EXPECT_EQ(check_idle_ranks(environment, 2).verdict, Verdict::warn);
  EXPECT_EQ(check_idle_ranks(environment, 4).verdict, Verdict::ok);
  environment["OMPI_MCA_mpi_yield_when_idle"] = "1";
  EXPECT_EQ(check_idle_ranks(environment, 2).verdict, Verdict::ok);
}

TEST(DoctorGpu, WarnsOfACardThatTheProgramDoesNotSee) {
  const GpuFacts unseen = {
      .devices = 0, .reason = "built without CUDA", .driver = "580.65", .nccl = "no NCCL"};

  EXPECT_EQ(check_gpus(unseen).verdict, Verdict::warn);
  EXPECT_EQ(check_gpus({.devices = 0, .reason = "no driver", .nccl = "no NCCL"}).verdict,
            Verdict::ok);
  EXPECT_EQ(check_gpus({.devices = 8, .driver = "580.65", .nccl = "NCCL 2.28.9"}).verdict,
            Verdict::ok);
}

TEST(DoctorNccl, FlagsVariablesForLookingForErrors) {
  const Finding finding = check_nccl_variables(
      {{"NCCL_DEBUG", "INFO"}, {"NCCL_IB_HCA", "mlx5_0"}, {"NCCL_P2P_DISABLE", "1"}});

  EXPECT_EQ(finding.verdict, Verdict::warn);
  EXPECT_THAT(finding.found, HasSubstr("NCCL_IB_HCA=mlx5_0"));
  EXPECT_THAT(finding.cure, AllOf(HasSubstr("NCCL_DEBUG"), HasSubstr("NCCL_P2P_DISABLE"),
                                  testing::Not(HasSubstr("NCCL_IB_HCA"))));
  EXPECT_EQ(check_nccl_variables({{"NCCL_DEBUG", "WARN"}}).verdict, Verdict::ok);
  EXPECT_THAT(check_nccl_variables({}).cure, IsEmpty());
}

}  // namespace
}  // namespace softmoe::launcher
