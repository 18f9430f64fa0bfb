// The file of a cluster's own values, which a shell and the program read alike.

#include "launcher/submit/site_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "runtime/base/errors.h"

namespace softmoe::launcher {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

std::string refusal(const std::string& text) {
  try {
    (void)parse_site_file(text, "site.env");
    return "";
  } catch (const ConfigError& error) {
    return error.what();
  }
}

TEST(SiteFile, ReadsBareAndQuotedValuesAndLeavesCommentsOut) {
  const SiteValues site = parse_site_file(
      "# a cluster\n"
      "\n"
      "SOFTMOE_PARTITION=gpu\n"
      "SOFTMOE_TIME=     # the cluster's\n"
      "SOFTMOE_SBATCH_FLAGS=\"--exclusive --mem=0\"  # whole nodes\n"
      "  SOFTMOE_PROGRAM='/opt/soft moe/softmoe'\n",
      "site.env");

  EXPECT_EQ(site.get("SOFTMOE_PARTITION"), "gpu");
  EXPECT_EQ(site.get("SOFTMOE_TIME"), "");
  EXPECT_EQ(site.get("SOFTMOE_ACCOUNT"), "");
  EXPECT_THAT(site.words("SOFTMOE_SBATCH_FLAGS"), ElementsAre("--exclusive", "--mem=0"));
  EXPECT_EQ(site.get("SOFTMOE_PROGRAM"), "/opt/soft moe/softmoe");
}

TEST(SiteFile, TheLastOfEqualNamesCountsAsInAShell) {
  EXPECT_EQ(parse_site_file("SOFTMOE_QOS=a\nSOFTMOE_QOS=b\n", "site.env").get("SOFTMOE_QOS"), "b");
}

TEST(SiteFile, NamesEveryLineThatAShellWouldReadOtherwise) {
  for (const char* line :
       {"SOFTMOE_TIME=1 2", "SOFTMOE_TIME=$X", "SOFTMOE_TIME=\"`date`\"", "export SOFTMOE_TIME=1",
        "SOFTMOE_TIME = 1", "module load x", "SOFTMOE_TIME=~/x", "SOFTMOE_TIME=\"1",
        "SOFTMOE_TIME=1#2", "SOFTMOE_TIME=\"1\"2", "SOFTMOE_TIME=a\\ b", "SOFTMOE_TIME=1;2"}) {
    EXPECT_THAT(refusal(line), HasSubstr("site.env:1")) << line;
  }
  const std::string both = refusal("a b\nSOFTMOE_TIME=1\nc d\n");
  EXPECT_THAT(both, AllOf(HasSubstr("site.env:1"), HasSubstr("site.env:3")));
  EXPECT_THAT(both, Not(HasSubstr("site.env:2")));
}

TEST(SiteFile, SuggestsTheNameThatWasMeant) {
  EXPECT_THAT(refusal("SOFTMOE_PARTITON=gpu\n"), HasSubstr("did you mean SOFTMOE_PARTITION?"));
  EXPECT_THAT(refusal("PATH=/bin\n"), HasSubstr("no site value is called PATH"));
}

TEST(SiteFile, RefusesNumbersThatAreNone) {
  const SiteValues site = parse_site_file(
      "SOFTMOE_SAVE_SECONDS=2m\nSOFTMOE_GPUS_PER_NODE=-1\nSOFTMOE_RANKS_PER_NODE=8\n", "site.env");

  EXPECT_EQ(site.number("SOFTMOE_RANKS_PER_NODE", 1, 1), 8);
  EXPECT_EQ(site.number("SOFTMOE_MAX_RESTARTS", 3, 0), 3);
  EXPECT_THROW((void)site.number("SOFTMOE_SAVE_SECONDS", 1, 1), ConfigError);
  EXPECT_THROW((void)site.number("SOFTMOE_GPUS_PER_NODE", 0, 0), ConfigError);
}

TEST(SiteFile, TheOneThatIsShippedIsRead) {
  std::ifstream file(SOFTMOE_SOURCE_DIR "/deploy/slurm/site.env");
  std::ostringstream text;
  text << file.rdbuf();

  const SiteValues site = parse_site_file(text.str(), "site.env");

  EXPECT_EQ(site.get("SOFTMOE_LAUNCHER"), "auto");
  EXPECT_EQ(site.number("SOFTMOE_MAX_RESTARTS", 0, 0), 1);
  // Every name that is known is shown there.
  EXPECT_EQ(site.values.size(), 21U);
}

}  // namespace
}  // namespace softmoe::launcher
