#include "coordinator/targets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace softmoe::coordinator {
namespace {

using ::testing::IsEmpty;

Status status_of_four() {
  Status status;
  status.run = {.run_id = "night", .version = "1", .config_hash = "c0ffee", .world = 4};
  for (int rank = 0; rank < 4; ++rank) {
    status.members.push_back({.rank = Rank{rank},
                              .state = MemberState::alive,
                              .host = "n1",
                              .metrics_address = "n1:910" + std::to_string(rank)});
  }
  return status;
}

TEST(ScrapeTargets, AreTheRanksThatAreAliveOrSilentAndServe) {
  Status status = status_of_four();
  status.members[0].state = MemberState::left;
  status.members[1].state = MemberState::silent;
  status.members[2].metrics_address = "";

  const std::vector<metrics::Target> targets = targets_of(status, "");

  ASSERT_EQ(targets.size(), 2U);
  EXPECT_EQ(targets[0].rank, 1);
  EXPECT_EQ(targets[1].rank, 3);
  EXPECT_EQ(targets[1].address, "n1:9103");
  EXPECT_EQ(targets[1].run, "night");
  EXPECT_EQ(targets[1].role, "rank");
  EXPECT_EQ(targets[1].host, "n1");
}

TEST(ScrapeTargets, BeginWithTheCoordinatorWhereItServes) {
  const std::vector<metrics::Target> targets = targets_of(status_of_four(), "[fd00::1]:7");

  ASSERT_EQ(targets.size(), 5U);
  EXPECT_EQ(targets[0].address, "[fd00::1]:7");
  EXPECT_EQ(targets[0].role, "coordinator");
  EXPECT_EQ(targets[0].rank, -1);
  EXPECT_EQ(targets[0].host, "fd00::1");
}

TEST(ScrapeTargets, AreNoneBeforeARankHasRegistered) {
  Status status = status_of_four();
  for (MemberStatus& member : status.members) member = {.rank = member.rank};

  EXPECT_THAT(targets_of(status, ""), IsEmpty());
}

}  // namespace
}  // namespace softmoe::coordinator
