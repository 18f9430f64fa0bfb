// Writes the simulated cluster as SimGrid reads it: FOLDER/platform.xml and FOLDER/hosts.
//
//     build/release/bench/cluster_platform RANKS FOLDER
//
// A rank has four links: to and from its node, to and from the network between nodes. The network
// is a full fat tree: it carries whatever its ends can send, so its switches appear as latency
// only.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <fstream>
#include <string>

#include "bench/simulated_cluster/cluster.h"
#include "runtime/base/errors.h"

namespace {

using softmoe::StorageError;
using softmoe::bench::Cluster;

std::string link(const std::string& name, double rate, double latency) {
  return fmt::format("<link id=\"{}\" bandwidth=\"{}Bps\" latency=\"{}s\"/>\n", name, rate,
                     latency);
}

std::string route(const std::string& from, const std::string& to, const std::string& links) {
  return fmt::format("<route src=\"{}\" dst=\"{}\" symmetrical=\"NO\">{}</route>\n", from, to,
                     links);
}

std::string uses(std::string_view link, int rank) {
  return fmt::format("<link_ctn id=\"{}_{}\"/>", link, rank);
}

/// Ranks [begin, end), which share a node. SimGrid wants hosts, links and routes in this order.
std::string node_of(const Cluster& cluster, int node, int begin, int end) {
  std::string hosts;
  std::string links;
  std::string routes;
  for (int rank = begin; rank < end; ++rank) {
    hosts += fmt::format("<host id=\"rank_{}\" speed=\"1Gf\"/>\n", rank);
    // The latency of a path stands on its first link.
    links += link(fmt::format("node_up_{}", rank), cluster.node_rate, cluster.node_latency) +
             link(fmt::format("node_down_{}", rank), cluster.node_rate, 0) +
             link(fmt::format("rail_up_{}", rank), cluster.rail_rate, cluster.rail_latency) +
             link(fmt::format("rail_down_{}", rank), cluster.rail_rate, 0);
    const std::string here = fmt::format("rank_{}", rank);
    const std::string edge = fmt::format("switch_{}", node);
    routes += route(here, edge, uses("rail_up", rank)) + route(edge, here, uses("rail_down", rank));
    for (int peer = begin; peer < end; ++peer) {
      if (peer == rank) continue;
      routes += route(here, fmt::format("rank_{}", peer),
                      uses("node_up", rank) + uses("node_down", peer));
    }
  }
  return fmt::format(
      "<zone id=\"node_{}\" routing=\"Full\">\n{}<router id=\"switch_{}\"/>\n{}{}</zone>\n", node,
      hosts, node, links, routes);
}

/// A path between nodes needs a link. One for each pair, so that flows of different pairs stay
/// independent for SimGrid's solver: one for all costs it eight times the time with 64 ranks.
std::string paths_between(int nodes) {
  std::string links;
  std::string routes;
  for (int a = 0; a < nodes; ++a) {
    for (int b = 0; b < nodes; ++b) {
      if (a == b) continue;
      links += fmt::format(
          "<link id=\"path_{}_{}\" bandwidth=\"1e18Bps\" latency=\"0s\" "
          "sharing_policy=\"FATPIPE\"/>\n",
          a, b);
      routes += fmt::format(
          "<zoneRoute src=\"node_{0}\" dst=\"node_{1}\" gw_src=\"switch_{0}\" "
          "gw_dst=\"switch_{1}\" "
          "symmetrical=\"NO\"><link_ctn id=\"path_{0}_{1}\"/></zoneRoute>\n",
          a, b);
    }
  }
  return links + routes;
}

void write(const std::filesystem::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::trunc);
  file << text;
  file.close();
  if (!file)
    throw StorageError(StorageError::Kind::cannot_write,
                       fmt::format("{}: cannot be written", path.string()));
}

void write_cluster(const Cluster& cluster, int ranks, const std::filesystem::path& folder) {
  std::string nodes;
  std::string hosts;
  int num_nodes = 0;
  for (int begin = 0; begin < ranks; begin += cluster.ranks_per_node, ++num_nodes)
    nodes += node_of(cluster, num_nodes, begin, std::min(ranks, begin + cluster.ranks_per_node));
  for (int rank = 0; rank < ranks; ++rank) hosts += fmt::format("rank_{}\n", rank);
  write(folder / "hosts", hosts);
  write(folder / "platform.xml",
        fmt::format("<?xml version='1.0'?>\n"
                    "<!DOCTYPE platform SYSTEM \"https://simgrid.org/simgrid.dtd\">\n"
                    "<platform version=\"4.1\">\n<zone id=\"cluster\" routing=\"Full\">\n{}{}"
                    "</zone>\n</platform>\n",
                    nodes, paths_between(num_nodes)));
}

}  // namespace

int main(int argc, char** argv) {
  int ranks = 0;
  std::string folder;
  CLI::App app("Writes a simulated cluster for SimGrid");
  app.add_option("ranks", ranks, "number of ranks")->required()->check(CLI::PositiveNumber);
  app.add_option("folder", folder, "where platform.xml and hosts go")
      ->required()
      ->check(CLI::ExistingDirectory);
  CLI11_PARSE(app, argc, argv);
  try {
    write_cluster(Cluster::from_environment(), ranks, folder);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
