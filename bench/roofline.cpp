// A calculation, not a measurement: what one MoE layer of a step costs on P GPUs by the rates that
// are given, forward and backward. docs/scaling.md explains the columns.
//
//     build/release/bench/roofline [--hidden H] [--inner F] [--rail-rate GB/s] ... [RANKS...]

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <vector>

#include "experts/row_traffic.h"

namespace {

using namespace softmoe;

struct Assumptions {
  int hidden = 2048;
  int inner = 1408;
  double experts_per_token = 4;
  std::int64_t tokens = 8192;  ///< of a rank
  int experts = 256;           ///< at least; one a rank if there are more ranks
  double teraflops = 500;      ///< that products reach
  double node_rate = 350;      ///< GB/s of a rank to its node, each way
  double rail_rate = 50;       ///< the same between nodes
  int ranks_per_node = 8;
  double message_us = 0.5;  ///< that a message costs its sender beside its bytes
  double imbalance = 1.0;   ///< rows of the fullest rank over the mean
  std::vector<int> ranks = {8, 16, 32, 64, 128, 256, 512, 1024};
};

/// Seconds of one layer, forward and backward, on the fullest rank.
struct LayerTime {
  double products = 0;
  double node = 0;      ///< rows within the node
  double rail = 0;      ///< rows to other nodes; at the same time as `node`
  double messages = 0;  ///< posting them
  double counts = 0;    ///< the matrix of counts, hidden behind packing if that takes longer

  [[nodiscard]] double exchange() const { return std::max(node, rail) + messages; }
};

LayerTime layer_time(const Assumptions& given, int ranks) {
  const double rows = static_cast<double>(given.tokens) * given.experts_per_token * given.imbalance;
  const auto traffic = static_cast<double>(experts::row_traffic(given.hidden, DType::bf16).total());
  const int near = std::min(given.ranks_per_node, ranks);
  const double share_near = static_cast<double>(near - 1) / ranks;
  const double share_far = static_cast<double>(ranks - near) / ranks;
  const int experts_per_rank = std::max(1, (given.experts + ranks - 1) / ranks);
  // Four moves of rows and two of gates, a message for each expert of every other rank.
  const double messages = 6.0 * (ranks - 1) * experts_per_rank;
  const double count_bytes = 4.0 * experts_per_rank * ranks;
  LayerTime time;
  time.products = 18.0 * given.hidden * given.inner * rows / (1e12 * given.teraflops);
  time.node = rows * share_near * traffic / (1e9 * given.node_rate);
  time.rail = rows * share_far * traffic / (1e9 * given.rail_rate);
  time.messages = messages * 1e-6 * given.message_us;
  time.counts = std::max((near - 1) * count_bytes / (1e9 * given.node_rate),
                         (ranks - near) * count_bytes / (1e9 * given.rail_rate)) +
                (ranks - 1) * 1e-6 * given.message_us;
  return time;
}

void print(const Assumptions& given) {
  fmt::print(
      "calculation: H {}, F {}, k {:g}, {} tokens a rank, {} experts or more, {:g} TFLOP/s, node "
      "{:g} GB/s, between nodes {:g} GB/s, {} ranks a node, {:g} us a message, imbalance {:g}\n",
      given.hidden, given.inner, given.experts_per_token, given.tokens, given.experts,
      given.teraflops, given.node_rate, given.rail_rate, given.ranks_per_node, given.message_us,
      given.imbalance);
  fmt::print("{:>6} {:>10} {:>10} {:>10} {:>12} {:>10} {:>11} {:>11}\n", "ranks", "products",
             "node", "between", "messages", "counts", "one by one", "overlapped");
  for (const int ranks : given.ranks) {
    const LayerTime time = layer_time(given, ranks);
    const double total = time.products + time.exchange();
    fmt::print(
        "{:>6} {:>7.3f} ms {:>7.3f} ms {:>7.3f} ms {:>9.3f} ms {:>7.3f} ms {:>10.0f} % {:>10.0f} "
        "%\n",
        ranks, 1e3 * time.products, 1e3 * time.node, 1e3 * time.rail, 1e3 * time.messages,
        1e3 * time.counts, 100 * time.products / total / given.imbalance,
        100 * time.products / std::max(time.products, time.exchange()) / given.imbalance);
  }
}

}  // namespace

int main(int argc, char** argv) {
  Assumptions given;
  CLI::App app("What one MoE layer costs on P GPUs, by calculation");
  app.add_option("--hidden", given.hidden, "H")->check(CLI::PositiveNumber);
  app.add_option("--inner", given.inner, "F of an expert")->check(CLI::PositiveNumber);
  app.add_option("--experts-per-token", given.experts_per_token, "k, the mean");
  app.add_option("--tokens", given.tokens, "of a rank")->check(CLI::PositiveNumber);
  app.add_option("--experts", given.experts, "in the layer; one a rank if there are more ranks")
      ->check(CLI::PositiveNumber);
  app.add_option("--teraflops", given.teraflops, "that products reach")->check(CLI::PositiveNumber);
  app.add_option("--node-rate", given.node_rate, "GB/s of a rank within its node, each way")
      ->check(CLI::PositiveNumber);
  app.add_option("--rail-rate", given.rail_rate, "GB/s of a rank to other nodes, each way")
      ->check(CLI::PositiveNumber);
  app.add_option("--ranks-per-node", given.ranks_per_node, "")->check(CLI::PositiveNumber);
  app.add_option("--message-us", given.message_us, "that a message costs its sender")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--imbalance", given.imbalance, "rows of the fullest rank over the mean")
      ->check(CLI::Range(1.0, 1e6));
  app.add_option("ranks", given.ranks, "numbers of ranks")->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  print(given);
  return 0;
}
