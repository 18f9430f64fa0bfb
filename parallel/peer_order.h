#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "parallel/communicator.h"

namespace softmoe::parallel {

/// In which order a rank sends to its peers. Messages of one link leave one behind the other, so
/// nobody should be everybody's first. Other nodes come before the own one, since the way there is
/// the longer one: node after node from the next one on, and within a node from the place on that
/// the rank has in its own. The ranks of a node thus begin with different ranks of the next one.
class PeerOrder {
 public:
  /// @param node_of_ranks  the node of each rank of a group, in any numbers
  PeerOrder(std::span<const int> node_of_ranks, Rank me);

  /// All ranks but `me`.
  [[nodiscard]] std::span<const Rank> peers() const { return peers_; }
  /// Where a rank stands in peers(); -1 for `me`.
  [[nodiscard]] int place_of(Rank rank) const {
    return place_of_[static_cast<std::size_t>(rank.value)];
  }

 private:
  std::vector<Rank> peers_;
  std::vector<int> place_of_;
};

}  // namespace softmoe::parallel
