#include "parallel/peer_order.h"

#include <algorithm>

#include "runtime/base/errors.h"

namespace softmoe::parallel {

namespace {

/// The ranks of each node, nodes by their first rank.
std::vector<std::vector<Rank>> ranks_of_nodes(std::span<const int> node_of_ranks) {
  std::vector<int> numbers;
  std::vector<std::vector<Rank>> nodes;
  for (Rank rank{0}; rank.value < static_cast<int>(node_of_ranks.size()); ++rank.value) {
    const int number = node_of_ranks[static_cast<std::size_t>(rank.value)];
    const auto known = std::find(numbers.begin(), numbers.end(), number);
    const auto index = static_cast<std::size_t>(known - numbers.begin());
    if (known == numbers.end()) {
      numbers.push_back(number);
      nodes.emplace_back();
    }
    nodes[index].push_back(rank);
  }
  return nodes;
}

/// Appends the ranks of a node from `place` on, in a ring.
void append_from(const std::vector<Rank>& node, std::size_t place, std::vector<Rank>& to) {
  for (std::size_t i = 0; i < node.size(); ++i) to.push_back(node[(place + i) % node.size()]);
}

}  // namespace

PeerOrder::PeerOrder(std::span<const int> node_of_ranks, Rank me)
    : place_of_(node_of_ranks.size(), -1) {
  require(0 <= me.value && me.value < static_cast<int>(node_of_ranks.size()),
          "an order of peers is of a rank of the group");
  const std::vector<std::vector<Rank>> nodes = ranks_of_nodes(node_of_ranks);
  std::size_t own = 0;
  while (std::find(nodes[own].begin(), nodes[own].end(), me) == nodes[own].end()) ++own;
  const auto place = static_cast<std::size_t>(std::find(nodes[own].begin(), nodes[own].end(), me) -
                                              nodes[own].begin());
  for (std::size_t distance = 1; distance < nodes.size(); ++distance) {
    append_from(nodes[(own + distance) % nodes.size()], place, peers_);
  }
  append_from(nodes[own], place + 1, peers_);
  peers_.pop_back();  // this rank itself, at the end of the ring
  for (std::size_t i = 0; i < peers_.size(); ++i) {
    place_of_[static_cast<std::size_t>(peers_[i].value)] = static_cast<int>(i);
  }
}

}  // namespace softmoe::parallel
