#include "launcher/doctor/machine_checks.h"

#include <gmock/gmock.h>

#include "launcher/doctor/library_checks.h"
#include "launcher/doctor/storage_checks.h"
#include "tests/support/temporary_directory.h"

namespace softmoe::launcher {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::int64_t kMiB = 1 << 20;
constexpr std::int64_t kGiB = 1 << 30;

Verdict worst(const Findings& findings) {
  Verdict worst = Verdict::ok;
  for (const Finding& finding : findings) worst = std::max(worst, finding.verdict);
  return worst;
}

/// Whatever is not fine says what to do; whatever is fine does not.
void expect_cures(const Findings& findings) {
  for (const Finding& finding : findings) {
    EXPECT_EQ(finding.cure.empty(), finding.verdict == Verdict::ok) << finding.what;
  }
}

TEST(DoctorSharedMemory, WarnsOfTheLittleThatContainersGive) {
  EXPECT_EQ(check_shared_memory({.is_there = true, .size = kGiB, .free = kGiB}).verdict,
            Verdict::ok);
  EXPECT_EQ(check_shared_memory({.is_there = true, .size = 64 * kMiB, .free = 60 * kMiB}).verdict,
            Verdict::warn);
  EXPECT_EQ(check_shared_memory({.is_there = true, .size = kGiB, .free = kMiB}).verdict,
            Verdict::fail);
  EXPECT_EQ(check_shared_memory({}).verdict, Verdict::fail);
}

TEST(DoctorLimits, AcceptsUnlimitedOnes) {
  const Findings findings = check_limits({});

  EXPECT_EQ(worst(findings), Verdict::ok);
  expect_cures(findings);
}

TEST(DoctorLimits, NamesTheOneThatIsLow) {
  const Findings findings = check_limits({.locked_memory = 64 * 1024,
                                          .open_files = 256,
                                          .stack = 64 * 1024,
                                          .registers_memory = true});

  ASSERT_EQ(findings.size(), 3U);
  EXPECT_EQ(findings[0].verdict, Verdict::warn);
  EXPECT_EQ(findings[1].verdict, Verdict::warn);
  EXPECT_EQ(findings[2].verdict, Verdict::fail);
  expect_cures(findings);
}

TEST(DoctorCores, WarnsOfAQuotaBelowTheCores) {
  EXPECT_EQ(check_cores({.usable = 8, .machine = 8, .quota = 1.5}).verdict, Verdict::warn);
  EXPECT_EQ(check_cores({.usable = 8, .machine = 8, .quota = 8.0}).verdict, Verdict::ok);
}

TEST(DoctorCores, SaysThatAProcessIsBoundToOne) {
  EXPECT_THAT(check_cores({.usable = 1, .machine = 8}).found, HasSubstr("--bind-to none"));
  EXPECT_THAT(check_cores({.usable = 1, .machine = 1}).found, Not(HasSubstr("bound")));
}

TEST(DoctorThreadVariables, FlagsForcedKernelsAlone) {
  EXPECT_EQ(check_thread_variables({{"OMP_NUM_THREADS", "1"}}).verdict, Verdict::ok);
  EXPECT_EQ(check_thread_variables({{"OPENBLAS_CORETYPE", "Prescott"}}).verdict, Verdict::warn);
  EXPECT_EQ(check_thread_variables({{"SOFTMOE_GEMM", "openblas"}}).verdict, Verdict::warn);
}

TEST(DoctorMemory, CountsWhatTheControlGroupAllows) {
  EXPECT_EQ(check_memory({.total = 64 * kGiB, .available = 32 * kGiB}).verdict, Verdict::ok);
  EXPECT_EQ(check_memory({.total = 64 * kGiB, .available = 512 * kMiB}).verdict, Verdict::warn);
  EXPECT_EQ(
      check_memory({.total = 64 * kGiB, .available = 32 * kGiB, .group_limit = 64 * kMiB}).verdict,
      Verdict::fail);
}

TEST(DoctorNetwork, FailsWithoutLoopbackAndWarnsWithoutAName) {
  const Findings fine = check_network({.host = "node1", .address = "10.0.0.1"});
  const Findings bad = check_network({.loopback_fault = "Permission denied", .host = "node1"});

  EXPECT_EQ(worst(fine), Verdict::ok);
  ASSERT_EQ(bad.size(), 2U);
  EXPECT_EQ(bad[0].verdict, Verdict::fail);
  EXPECT_THAT(bad[0].found, HasSubstr("Permission denied"));
  EXPECT_EQ(bad[1].verdict, Verdict::warn);
  expect_cures(bad);
}

TEST(DoctorClock, FailsBeforeTheProgramWasBuilt) {
  using std::chrono::hours;
  const auto built = std::chrono::system_clock::now();

  EXPECT_EQ(check_clock({.now = built - hours(24 * 365)}, built).verdict, Verdict::fail);
  EXPECT_EQ(check_clock({.now = built + hours(1), .is_synchronised = true}, built).verdict,
            Verdict::ok);
  EXPECT_EQ(check_clock({.now = built + hours(1), .is_synchronised = false}, built).verdict,
            Verdict::warn);
  EXPECT_EQ(check_clock({.now = built + hours(1)}, built).verdict, Verdict::ok);
}

TEST(DoctorStorage, FailsWhereNothingCanBeWritten) {
  const Findings findings = check_storage({.folder = "runs", .write_fault = "no permission"});

  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].verdict, Verdict::fail);
}

TEST(DoctorStorage, WarnsOfSlowAndFullDisks) {
  const Findings findings =
      check_storage({.folder = "runs", .sync_seconds = 2.0, .free_bytes = 10 * kMiB});

  ASSERT_EQ(findings.size(), 3U);
  EXPECT_EQ(findings[0].verdict, Verdict::warn);
  EXPECT_EQ(findings[1].verdict, Verdict::ok);
  EXPECT_EQ(findings[2].verdict, Verdict::warn);
  expect_cures(findings);
}

TEST(DoctorStorage, FailsWhereAFileCannotReplaceAnother) {
  const Findings findings =
      check_storage({.folder = "runs", .rename_fault = "not supported", .free_bytes = 10 * kGiB});

  EXPECT_EQ(worst(findings), Verdict::fail);
}

TEST(DoctorStorage, ProbesTheNearestFolderThatIsThereAndLeavesNothing) {
  const TemporaryDirectory directory;

  const StorageFacts facts = probe_storage((directory.path() / "not/yet/there").string());

  EXPECT_EQ(facts.write_fault, "");
  EXPECT_EQ(facts.rename_fault, "");
  EXPECT_GT(facts.sync_seconds, 0.0);
  EXPECT_GT(facts.free_bytes, 0);
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
}

TEST(DoctorLibraries, WarnsOfAnotherRelease) {
  const coordinator::LibraryVersions same = {.grpc = "1.51.1",
                                             .protobuf = "3.21.12",
                                             .openssl = "OpenSSL 3.0.17 1 Jul 2025",
                                             .built_openssl = "OpenSSL 3.0.16 11 Feb 2025"};
  coordinator::LibraryVersions other = same;
  other.openssl = "OpenSSL 3.5.0 8 Apr 2025";

  EXPECT_EQ(check_network_libraries(same).verdict, Verdict::ok);
  EXPECT_EQ(check_network_libraries(other).verdict, Verdict::warn);
}

TEST(DoctorBlas, WarnsOfOldKernelsOnANewProcessor) {
  EXPECT_EQ(check_blas({.kernels = "Prescott", .has_avx2 = true}).verdict, Verdict::warn);
  EXPECT_EQ(check_blas({.kernels = "Prescott"}).verdict, Verdict::ok);
  EXPECT_EQ(check_blas({.kernels = "Haswell", .has_avx2 = true}).verdict, Verdict::ok);
  EXPECT_EQ(check_blas({.kernels = "Prescott", .onednn = "2.6.3", .has_avx2 = true}).verdict,
            Verdict::ok);
}

TEST(DoctorReport, CountsAndSaysWhatToDo) {
  const Findings findings = {{Verdict::ok, "cores", "8 usable of 8", ""},
                             {Verdict::fail, "stack", "64.0 KiB", "ulimit -s 8192"}};

  const std::string text = findings_text(findings);

  EXPECT_THAT(text, HasSubstr("ok    cores"));
  EXPECT_THAT(text, HasSubstr("-> ulimit -s 8192"));
  EXPECT_THAT(text, HasSubstr("1 that would break a run"));
  EXPECT_TRUE(has_failure(findings));
  EXPECT_FALSE(has_failure(std::span(findings).first(1)));
}

TEST(DoctorReport, IsJsonEvenWithBytesThatAreNoText) {
  const Findings findings = {{Verdict::ok, "host name", "node\xff", ""}};

  EXPECT_THAT(findings_json(findings), HasSubstr("\"what\":\"host name\""));
}

}  // namespace
}  // namespace softmoe::launcher
