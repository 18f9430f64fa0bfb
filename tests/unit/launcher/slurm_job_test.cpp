// What is handed to sbatch, and what people are told.

#include "launcher/submit/slurm_job.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/base/errors.h"

namespace softmoe::launcher {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

SlurmOrder order_of(int nodes) {
  SlurmOrder order;
  order.config_path = "/data/run.yaml";
  order.nodes = nodes;
  order.script = "/opt/train.sbatch";
  order.program = "/opt/softmoe";
  return order;
}

SiteValues site_of(const std::string& text) {
  return parse_site_file(text, "/data/site.env");
}

TEST(SlurmJob, IsHandedOverWordByWord) {
  SlurmOrder order = order_of(4);
  order.overrides = {"training.steps=10", "run.id=a b"};

  EXPECT_THAT(
      sbatch_words(resolve(order, SiteValues{})),
      ElementsAre("sbatch", "--parsable", "--job-name=softmoe", "--nodes=4", "--ntasks=4",
                  "--ntasks-per-node=1", "--cpus-per-task=1", "--signal=B:USR1@120",
                  "--output=runs/%x-%j.out", "/opt/train.sbatch", "--program", "/opt/softmoe",
                  "--runs", "runs", "/data/run.yaml", "training.steps=10", "run.id=a b"));
}

TEST(SlurmJob, TakesFromTheSiteWhatTheOrderLeavesOpen) {
  const SiteValues site = site_of(
      "SOFTMOE_PARTITION=gpu\nSOFTMOE_ACCOUNT=me\nSOFTMOE_QOS=high\nSOFTMOE_TIME=30\n"
      "SOFTMOE_SBATCH_FLAGS=\"--exclusive --mem=0\"\nSOFTMOE_GPUS_PER_NODE=8\n"
      "SOFTMOE_SAVE_SECONDS=300\nSOFTMOE_RUNS=/scratch/100%\nSOFTMOE_PROGRAM=/site/softmoe\n");
  SlurmOrder order = order_of(2);
  order.partition = "debug";

  const std::vector<std::string> words = sbatch_words(resolve(order, site));

  for (const char* word :
       {"--ntasks=16", "--ntasks-per-node=8", "--gpus-per-node=8", "--partition=debug",
        "--account=me", "--qos=high", "--time=30", "--exclusive", "--mem=0", "--signal=B:USR1@300",
        "--output=/scratch/100%%/%x-%j.out", "--site", "/data/site.env", "/site/softmoe"}) {
    EXPECT_THAT(words, Contains(word));
  }
  EXPECT_THAT(words, Not(Contains("/opt/softmoe")));
}

TEST(SlurmJob, NeverBindsAGpuToARank) {
  SlurmOrder order = order_of(2);
  order.gpus_per_node = 4;
  order.ranks_per_node = 2;

  const SlurmJob job = resolve(order, SiteValues{});

  EXPECT_EQ(job.world(), 4);
  EXPECT_THAT(sbatch_words(job), Not(Contains(StartsWith("--gpus-per-task"))));
  EXPECT_THAT(sbatch_words(job), Not(Contains(StartsWith("--gpu-bind"))));
}

TEST(SlurmJob, RefusesNumbersAndNamesThatMakeNone) {
  SlurmOrder order = order_of(0);
  EXPECT_THROW((void)resolve(order, SiteValues{}), ConfigError);
  order = order_of(1);
  order.ranks_per_node = 0;
  EXPECT_THROW((void)resolve(order, SiteValues{}), ConfigError);
  order = order_of(1);
  order.gpus_per_node = -1;
  EXPECT_THROW((void)resolve(order, SiteValues{}), ConfigError);
  for (const char* name : {"", "a/b", "../up", "a b", "%x"}) {
    order = order_of(1);
    order.name = name;
    EXPECT_THROW((void)resolve(order, SiteValues{}), ConfigError) << name;
  }
}

TEST(SlurmJob, KeepsTheKeysThatItSetsItself) {
  for (const char* override :
       {"run.folder=x", "coordinator.placement=off", "coordinator.folder=y"}) {
    SlurmOrder order = order_of(1);
    order.overrides = {override};
    EXPECT_THROW((void)resolve(order, SiteValues{}), ConfigError) << override;
  }
}

TEST(SlurmJob, GivesARankAProcessorForEachThread) {
  RunConfig config;
  config.runtime.threads = 6;
  SlurmOrder order = order_of(1);

  EXPECT_EQ(cpus_for(order, config), 6);
  order.cpus_per_rank = 8;
  EXPECT_EQ(cpus_for(order, config), 8);
  order.cpus_per_rank = 5;
  EXPECT_THROW((void)cpus_for(order, config), ConfigError);
}

TEST(SlurmJob, KeepsTheNameOfARunThatHasOne) {
  SlurmJob job = resolve(order_of(1), SiteValues{});
  RunConfig config;

  keep_run_id(config, job);
  EXPECT_THAT(job.overrides, testing::IsEmpty());
  config.run.id = "mine";
  keep_run_id(config, job);
  EXPECT_THAT(job.overrides, ElementsAre("run.id=mine"));
}

TEST(SlurmJob, TellsWhereItsFolderIs) {
  SlurmOrder order = order_of(2);
  order.name = "demo";
  order.runs = "/scratch/runs";

  const std::string text = submitted_text(resolve(order, SiteValues{}), "17");

  EXPECT_THAT(text, StartsWith("job 17: 2 ranks on 2 nodes\n"));
  EXPECT_THAT(text, HasSubstr("softmoe ctl status /scratch/runs/demo-17/latest\n"));
  EXPECT_THAT(text, HasSubstr("/scratch/runs/demo-17.out"));
  EXPECT_THAT(text, HasSubstr("scancel 17"));
}

}  // namespace
}  // namespace softmoe::launcher
