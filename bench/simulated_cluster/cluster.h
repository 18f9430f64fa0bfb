#pragma once

// The simulated cluster: nodes of GPUs whose links to each other are faster than those between
// nodes, which meet in a network without a bottleneck of its own (a full fat tree).

#include <cstdint>

namespace softmoe::bench {

struct Cluster {
  int ranks_per_node = 8;
  double node_rate = 400e9;    ///< bytes per second of a rank to and from its node, each way
  double rail_rate = 50e9;     ///< the same between nodes
  double node_latency = 1e-6;  ///< seconds
  double rail_latency = 4e-6;
  double message_seconds = 5e-7;  ///< that a message occupies the sender's link beside its bytes

  [[nodiscard]] bool share_node(int rank, int peer) const {
    return rank / ranks_per_node == peer / ranks_per_node;
  }
  [[nodiscard]] double rate_between(int rank, int peer) const {
    return share_node(rank, peer) ? node_rate : rail_rate;
  }

  /// Defaults, and what SOFTMOE_CLUSTER_RANKS_PER_NODE, _NODE_RATE, _RAIL_RATE, _NODE_LATENCY,
  /// _RAIL_LATENCY and _MESSAGE_SECONDS say.
  [[nodiscard]] static Cluster from_environment();
};

}  // namespace softmoe::bench
