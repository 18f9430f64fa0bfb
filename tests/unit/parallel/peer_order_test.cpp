#include "parallel/peer_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace softmoe::parallel {
namespace {

using testing::ElementsAre;
using testing::ElementsAreArray;

std::vector<int> equal_nodes(int ranks, int per_node) {
  std::vector<int> node_of_ranks;
  for (int rank = 0; rank < ranks; ++rank) node_of_ranks.push_back(rank / per_node);
  return node_of_ranks;
}

std::vector<int> peers(const std::vector<int>& node_of_ranks, int me) {
  const PeerOrder order(node_of_ranks, Rank(me));
  std::vector<int> values;
  for (const Rank peer : order.peers()) values.push_back(peer.value);
  return values;
}

TEST(PeerOrder, TakesOtherNodesFirstAndBeginsWithTheOwnPlace) {
  EXPECT_THAT(peers(equal_nodes(8, 4), 0), ElementsAre(4, 5, 6, 7, 1, 2, 3));
  EXPECT_THAT(peers(equal_nodes(8, 4), 6), ElementsAre(2, 3, 0, 1, 7, 4, 5));
  EXPECT_THAT(peers(equal_nodes(6, 2), 3), ElementsAre(5, 4, 1, 0, 2));
}

TEST(PeerOrder, IsARingWithinOneNodeAndBetweenNodesOfOneRank) {
  EXPECT_THAT(peers(equal_nodes(4, 4), 2), ElementsAre(3, 0, 1));
  EXPECT_THAT(peers(equal_nodes(4, 1), 2), ElementsAre(3, 0, 1));
  EXPECT_TRUE(peers({7}, 0).empty());
}

TEST(PeerOrder, TakesNodesOfAnySizeAndAnyNumbers) {
  // Ranks 0, 2, 3 share a node, 1 and 5 another, 4 is alone.
  EXPECT_THAT(peers({9, 4, 9, 9, 1, 4}, 3), ElementsAre(1, 5, 4, 0, 2));
  EXPECT_THAT(peers({9, 4, 9, 9, 1, 4}, 4), ElementsAre(0, 2, 3, 1, 5));
}

TEST(PeerOrder, KnowsThePlaceOfEveryPeer) {
  const PeerOrder order(equal_nodes(12, 4), Rank(5));
  std::vector<Rank> by_place(order.peers().size());
  for (Rank rank{0}; rank.value < 12; ++rank.value) {
    if (rank == Rank(5)) {
      EXPECT_EQ(order.place_of(rank), -1);
    } else {
      by_place[static_cast<std::size_t>(order.place_of(rank))] = rank;
    }
  }
  EXPECT_THAT(by_place, ElementsAreArray(order.peers()));
}

TEST(PeerOrder, SendsToEveryRankOnceAtEveryTurn) {
  for (const int per_node : {1, 2, 4, 8, 16}) {
    for (std::size_t turn = 0; turn < 15; ++turn) {
      std::set<int> targets;
      for (int me = 0; me < 16; ++me) targets.insert(peers(equal_nodes(16, per_node), me)[turn]);
      EXPECT_EQ(targets.size(), 16U) << "turn " << turn << ", nodes of " << per_node;
    }
  }
}

}  // namespace
}  // namespace softmoe::parallel
