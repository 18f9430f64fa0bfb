#include "parallel/topology.h"

#include <fmt/format.h>

namespace softmoe::parallel {

namespace {

/// The divisors of `world` next to `wanted`, for the message: "2", "2 or 4".
std::string nearest_divisors(int world, int wanted) {
  int below = 0;
  int above = 0;
  for (int divisor = 1; divisor <= world; ++divisor) {
    if (world % divisor != 0) continue;
    if (divisor < wanted) below = divisor;
    if (divisor > wanted && above == 0) above = divisor;
  }
  if (below == 0) return std::to_string(above);
  if (above == 0) return std::to_string(below);
  return fmt::format("{} or {}", below, above);
}

}  // namespace

Topology make_topology(Rank rank, int world, int expert_parallel) {
  if (world < 1 || rank.value < 0 || rank.value >= world) {
    throw ConfigError(
        fmt::format("rank {} does not exist in a world of {} ranks: ranks run from 0 to {}",
                    rank.value, world, world - 1));
  }
  if (expert_parallel < 1 || world % expert_parallel != 0) {
    throw ConfigError(fmt::format(
        "{} ranks do not divide into expert-parallel groups of {}: take groups of {}, or another "
        "number of ranks",
        world, expert_parallel, nearest_divisors(world, expert_parallel)));
  }
  return {.world = world, .expert_parallel = expert_parallel, .rank = rank};
}

Groups make_groups(Communicator& world, int expert_parallel) {
  const Topology topology = make_topology(world.rank(), world.size(), expert_parallel);
  const int p = topology.ep_rank().value;
  const int replica = topology.replica().value;
  std::unique_ptr<Communicator> ep = world.split(/*color=*/replica, /*key=*/p);
  std::unique_ptr<Communicator> edp = world.split(/*color=*/p, /*key=*/replica);
  return {.topology = topology, .world = world, .ep = std::move(ep), .edp = std::move(edp)};
}

}  // namespace softmoe::parallel
