#include "bench/simulated_cluster/cluster.h"

#include <fmt/format.h>

#include <cstdlib>
#include <string>

#include "runtime/base/errors.h"

namespace softmoe::bench {

namespace {

void read(const char* name, double& value, double at_least) {
  const std::string variable = std::string("SOFTMOE_CLUSTER_") + name;
  const char* const text = std::getenv(variable.c_str());
  if (text == nullptr) return;
  char* end = nullptr;
  value = std::strtod(text, &end);
  if (end == text || *end != '\0' || !(value >= at_least))
    throw InvalidArgument(
        fmt::format("{}={}: expected a number of at least {}", variable, text, at_least));
}

}  // namespace

Cluster Cluster::from_environment() {
  Cluster cluster;
  double ranks_per_node = cluster.ranks_per_node;
  read("RANKS_PER_NODE", ranks_per_node, 1);
  cluster.ranks_per_node = static_cast<int>(ranks_per_node);
  read("NODE_RATE", cluster.node_rate, 1);
  read("RAIL_RATE", cluster.rail_rate, 1);
  read("NODE_LATENCY", cluster.node_latency, 0);
  read("RAIL_LATENCY", cluster.rail_latency, 0);
  read("MESSAGE_SECONDS", cluster.message_seconds, 0);
  return cluster;
}

}  // namespace softmoe::bench
