#include "parallel/topology.h"

#include <gmock/gmock.h>

#include "parallel/rank_group.h"

namespace softmoe::parallel {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(Topology, PutsNeighbouringRanksIntoOneExpertParallelGroup) {
  const Topology topology = make_topology(Rank(5), /*world=*/8, /*expert_parallel=*/4);

  EXPECT_EQ(topology.replicas(), 2);
  EXPECT_EQ(topology.replica(), Rank(1));
  EXPECT_EQ(topology.ep_rank(), Rank(1));
}

TEST(Topology, NamesTheNearestGroupSizesThatDivideTheWorld) {
  EXPECT_THAT([] { return make_topology(Rank(0), 12, 5); },
              ThrowsMessage<ConfigError>(HasSubstr("groups of 5: take groups of 4 or 6")));
  EXPECT_THAT([] { return make_topology(Rank(0), 4, 9); },
              ThrowsMessage<ConfigError>(HasSubstr("groups of 9: take groups of 4,")));
  EXPECT_THAT([] { return make_topology(Rank(0), 4, 0); },
              ThrowsMessage<ConfigError>(HasSubstr("groups of 0: take groups of 1,")));
}

TEST(Topology, RefusesARankOutsideTheWorld) {
  EXPECT_THROW(static_cast<void>(make_topology(Rank(4), 4, 2)), ConfigError);
  EXPECT_THROW(static_cast<void>(make_topology(Rank(-1), 4, 2)), ConfigError);
  EXPECT_THROW(static_cast<void>(make_topology(Rank(0), 0, 1)), ConfigError);
}

TEST(RankGroup, SplitsByColorAndOrdersByKeyThenRank) {
  const RankGroup group{.members = {Rank(10), Rank(11), Rank(12), Rank(13)}, .rank = Rank(2)};
  const std::vector<SplitChoice> choices{{7, 5}, {0, 0}, {7, 5}, {7, 1}};

  const RankGroup part = split_group(group, choices);

  EXPECT_THAT(part.members, ElementsAre(Rank(13), Rank(10), Rank(12)));
  EXPECT_EQ(part.rank, Rank(2));
}

}  // namespace
}  // namespace softmoe::parallel
