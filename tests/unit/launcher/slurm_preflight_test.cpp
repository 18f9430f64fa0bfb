// What a cluster says of itself, and what is made of it.

#include "launcher/submit/slurm_preflight.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/base/errors.h"

namespace softmoe::launcher {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// As sinfo wrote it for a cluster of two kinds of nodes in one partition.
constexpr const char* kSinfo = "train*|up|2/3/1/6\ntrain*|up|0/2/0/2\nold|down|0/4/0/4\n";

SlurmJob job_on(const std::string& partition, int nodes) {
  SlurmJob job;
  job.partition = partition;
  job.nodes = nodes;
  return job;
}

Findings look(const std::string& partition, int nodes) {
  Findings findings;
  look_at_partition(job_on(partition, nodes), parse_sinfo(kSinfo), findings);
  return findings;
}

TEST(SlurmPreflight, AddsUpTheLinesOfAPartition) {
  const std::vector<Partition> partitions = parse_sinfo(kSinfo);

  ASSERT_EQ(partitions.size(), 2U);
  EXPECT_EQ(partitions[0].name, "train");
  EXPECT_TRUE(partitions[0].is_default);
  EXPECT_TRUE(partitions[0].is_up);
  EXPECT_EQ(partitions[0].idle_nodes, 5);
  EXPECT_EQ(partitions[0].usable_nodes, 7);
  EXPECT_FALSE(partitions[1].is_up);
}

TEST(SlurmPreflight, RefusesAnAnswerThatIsNone) {
  EXPECT_THROW((void)parse_sinfo("slurm_load_partitions: Unable to contact\n"), StorageError);
  EXPECT_THROW((void)parse_sinfo("train|up|many\n"), StorageError);
  EXPECT_THAT(parse_sinfo(""), IsEmpty());
}

TEST(SlurmPreflight, TellsAPartitionThatWillNeverStartTheJobFromOneThatIsBusy) {
  EXPECT_THAT(look("train", 5).problems, IsEmpty());
  EXPECT_THAT(look("train", 5).notes, IsEmpty());
  EXPECT_THAT(look("train", 6).problems, IsEmpty());
  EXPECT_THAT(look("train", 6).notes, ElementsAre(HasSubstr("it will wait")));
  EXPECT_THAT(look("train", 8).problems, ElementsAre(HasSubstr("has 7 nodes that work")));
  EXPECT_THAT(look("old", 1).problems, ElementsAre(HasSubstr("is closed")));
}

TEST(SlurmPreflight, NamesThePartitionsThereAre) {
  EXPECT_THAT(look("trian", 1).problems, ElementsAre(HasSubstr("but train, old")));
  EXPECT_THAT(look("", 8).problems, ElementsAre(HasSubstr("partition train")));
  EXPECT_THAT(look("train,trian", 1).problems, ElementsAre(HasSubstr("'trian'")));
}

TEST(SlurmPreflight, FindsPmixAsAWordOfItsOwn) {
  EXPECT_TRUE(names_pmix("MPI plugin types are...\n\tnone\n\tpmix\nversions: pmix_v4\n"));
  EXPECT_TRUE(names_pmix("srun: none, pmix, pmi2"));
  EXPECT_FALSE(names_pmix("MPI plugin types are...\n\tnone\n\tpmi2\n\tpmix_v4\n"));
}

TEST(SlurmPreflight, WantsPmixOnlyWhereSrunStartsTheRanks) {
  const auto problems = [](const std::string& launcher, bool has_pmix) {
    Findings findings;
    look_at_launcher(launcher, has_pmix, findings);
    return std::pair(findings.problems.size(), findings.notes.size());
  };

  EXPECT_EQ(problems("srun", false), std::pair(1UL, 0UL));
  EXPECT_EQ(problems("auto", false), std::pair(0UL, 1UL));
  EXPECT_EQ(problems("", false), std::pair(0UL, 1UL));
  EXPECT_EQ(problems("mpirun", false), std::pair(0UL, 0UL));
  EXPECT_EQ(problems("srun", true), std::pair(0UL, 0UL));
  EXPECT_EQ(problems("orted", true), std::pair(1UL, 0UL));
}

}  // namespace
}  // namespace softmoe::launcher
