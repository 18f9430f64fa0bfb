// What a MoE layer and a step's gradients exchange, on a simulated cluster: the trainer's own code
// (parallel/row_exchange, flat_shards, mpi) over SimGrid's MPI, with real rows and every element
// checked. bench/simulated_cluster/run makes the platform, starts this and explains the table.

#include <fmt/format.h>
#include <mpi.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bench/exchange_rank.h"
#include "bench/simulated_cluster/cluster.h"
#include "bench/simulated_cluster/simulated_mpi.h"
#include "parallel/flat_shards.h"
#include "parallel/mpi/mpi_session.h"

namespace softmoe::bench {

namespace {

constexpr std::int64_t kGateBytes = 4;

struct Options {
  RowLoad load{.ranks = 1, .cells_per_rank = 2, .tokens = 2048, .rows = 8192};
  std::int64_t row_bytes = 128;
  std::int64_t elements = 262144;
  std::string spread = "balanced";
  std::string what = "rows";
  std::string json;
};

/// One move of all ranks.
struct Move {
  std::string name;
  double seconds = 0;         ///< simulated, from the first rank's begin to the last one's end
  double bound_seconds = 0;   ///< what the links of the busiest rank take at their full rate
  std::int64_t bytes = 0;     ///< that the busiest rank sends to or receives, by formula
  std::int64_t off_rank = 0;  ///< of all ranks, by formula
  std::int64_t passed = 0;    ///< of all ranks, as counted where messages are sent
  std::int64_t messages = 0;  ///< that the busiest rank sends, counted
  std::int64_t wrong = 0;     ///< elements of all ranks
};

/// Who has how many rows for whom. The ranks of the simulation are of one process and share it:
/// copies of their own would be most of what a thousand of them hold.
struct SharedLoad {
  explicit SharedLoad(const RowLoad& load)
      : count_PC(make_row_counts(load)), totals(load, count_PC) {}

  std::vector<std::int32_t> count_PC;
  RowTotals totals;
};

std::int64_t over_ranks(std::int64_t mine, MPI_Op operation) {
  std::int64_t all = 0;
  MPI_Allreduce(&mine, &all, 1, MPI_INT64_T, operation, MPI_COMM_WORLD);
  return all;
}

/// Runs a move and fills in what was seen of it.
template <class Run>
void watch(Move& move, const Run& run) {
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  const Sent before = sent_by(rank);
  MPI_Barrier(MPI_COMM_WORLD);
  const double begin = MPI_Wtime();
  run();
  const double end = MPI_Wtime();
  const Sent after = sent_by(rank);
  double first = 0;
  double last = 0;
  MPI_Allreduce(&begin, &first, 1, MPI_DOUBLE, MPI_MIN, MPI_COMM_WORLD);
  MPI_Allreduce(&end, &last, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
  move.seconds = last - first;
  move.passed = over_ranks(after.bytes - before.bytes, MPI_SUM);
  move.messages = over_ranks(after.messages - before.messages, MPI_MAX);
}

/// Fills what follows from the bytes between pairs: bytes_of(source, target).
template <class BytesOf>
void weigh(Move& move, int ranks, const Cluster& cluster, const BytesOf& bytes_of) {
  for (int rank = 0; rank < ranks; ++rank) {
    std::int64_t sent[2] = {};  // within the node, beyond it
    std::int64_t received[2] = {};
    for (int peer = 0; peer < ranks; ++peer) {
      if (peer == rank) continue;
      const int link = cluster.share_node(rank, peer) ? 0 : 1;
      sent[link] += bytes_of(rank, peer);
      received[link] += bytes_of(peer, rank);
    }
    const auto busier = [&](int link) {
      return static_cast<double>(std::max(sent[link], received[link]));
    };
    move.off_rank += sent[0] + sent[1];
    move.bytes = std::max({move.bytes, sent[0] + sent[1], received[0] + received[1]});
    move.bound_seconds = std::max(
        {move.bound_seconds, busier(0) / cluster.node_rate, busier(1) / cluster.rail_rate});
  }
}

std::vector<Move> move_counts(ExchangeRank& rank, const Options& options) {
  Move move{.name = "counts"};
  watch(move, [&] { rank.gather(); });
  move.wrong = over_ranks(rank.wrong_counts(), MPI_SUM);
  const std::int64_t bytes = options.load.cells() * std::int64_t{sizeof(std::int32_t)};
  weigh(move, options.load.ranks, Cluster::from_environment(), [&](int, int) { return bytes; });
  return {move};
}

std::vector<Move> move_rows(ExchangeRank& rank, const RowTotals& totals, const Options& options) {
  const Cluster cluster = Cluster::from_environment();
  Move dispatch{.name = "dispatch"};
  Move combine{.name = "combine"};
  watch(dispatch, [&] { rank.forward(/*with_gates=*/true); });
  dispatch.wrong = over_ranks(rank.wrong_received(), MPI_SUM);
  watch(combine, [&] { rank.reverse(/*with_gates=*/false); });
  combine.wrong = over_ranks(rank.wrong_returned(), MPI_SUM);
  weigh(dispatch, options.load.ranks, cluster, [&](int source, int target) {
    return totals.between(source, target) * (options.row_bytes + kGateBytes);
  });
  weigh(combine, options.load.ranks, cluster,
        [&](int source, int target) { return totals.between(target, source) * options.row_bytes; });
  return {dispatch, combine};
}

/// What rank `rank` brings to element i: small, so that sums are exact in any order.
float gradient_of(int rank, std::int64_t i) {
  return static_cast<float>((rank * 31 + i) % 8);
}

std::vector<Move> move_gradients(parallel::Communicator& world, const Options& options) {
  CpuDevice device({.backend = Backend::cpu, .num_threads = 1});
  Stream stream(device);
  const parallel::FlatShards shards(options.elements, world);
  Arena arena(device, Bytes(4 * (options.elements + shards.elements_of_peers()) + 4096));
  const TensorView flat = arena.push(DType::f32, {options.elements});
  for (std::int64_t i = 0; i < options.elements; ++i)
    flat.as<float>()[i] = gradient_of(world.rank().value, i);

  Move scatter{.name = "reduce_scatter"};
  Move gather{.name = "all_gather"};
  watch(scatter, [&] {
    shards.reduce_scatter(flat, arena, stream);
    stream.synchronize();
  });
  watch(gather, [&] {
    shards.all_gather(flat, stream);
    stream.synchronize();
  });
  std::int64_t wrong = 0;
  for (std::int64_t i = 0; i < options.elements; ++i) {
    float sum = 0;
    for (int rank = 0; rank < world.size(); ++rank) sum += gradient_of(rank, i);
    if (flat.as<float>()[i] != sum) ++wrong;
  }
  scatter.wrong = gather.wrong = over_ranks(wrong, MPI_SUM);
  const auto range_bytes = [&](int owner) { return 4 * shards.range_of(Rank(owner)).size(); };
  const Cluster cluster = Cluster::from_environment();
  weigh(scatter, world.size(), cluster, [&](int, int target) { return range_bytes(target); });
  weigh(gather, world.size(), cluster, [&](int source, int) { return range_bytes(source); });
  return {scatter, gather};
}

void print(const Options& options, const std::vector<Move>& moves) {
  for (const Move& move : moves) {
    const double efficiency = move.seconds > 0 ? move.bound_seconds / move.seconds : 1;
    fmt::print("{:>5} {:>9} {:>14} {:>11.1f} {:>11.1f} {:>7.2f} {:>12} {:>8} {:>6}\n",
               options.load.ranks, options.what == "gradients" ? "-" : options.spread, move.name,
               1e6 * move.seconds, 1e6 * move.bound_seconds, efficiency, move.bytes, move.messages,
               move.wrong);
    if (options.json.empty()) continue;
    const nlohmann::json line = {{"ranks", options.load.ranks},
                                 {"spread", options.spread},
                                 {"move", move.name},
                                 {"cells_per_rank", options.load.cells_per_rank},
                                 {"rows_per_rank", options.load.rows},
                                 {"row_bytes", options.row_bytes},
                                 {"simulated_seconds", move.seconds},
                                 {"bound_seconds", move.bound_seconds},
                                 {"efficiency", efficiency},
                                 {"bytes_busiest_rank", move.bytes},
                                 {"bytes_off_rank", move.off_rank},
                                 {"bytes_passed", move.passed},
                                 {"messages_busiest_rank", move.messages},
                                 {"wrong_elements", move.wrong}};
    std::FILE* const file = std::fopen(options.json.c_str(), "a");
    if (file == nullptr)
      throw StorageError(StorageError::Kind::cannot_write,
                         fmt::format("{}: cannot be written", options.json));
    fmt::print(file, "{}\n", line.dump());
    std::fclose(file);
  }
  std::fflush(stdout);
}

int run(Options options) {
  parallel::MpiSession session({.ranks_per_node = Cluster::from_environment().ranks_per_node});
  const auto world = session.world();
  options.load.ranks = session.size();
  options.load.spread = spread_of(options.spread);
  std::vector<Move> moves;
  if (options.what == "gradients") {
    moves = move_gradients(*world, options);
  } else {
    static const SharedLoad shared(options.load);
    ExchangeRank rank(*world, options.load, shared.count_PC, options.row_bytes);
    moves = options.what == "counts" ? move_counts(rank, options)
                                     : move_rows(rank, shared.totals, options);
  }
  if (session.rank() == Rank(0)) print(options, moves);
  const bool is_right = std::all_of(moves.begin(), moves.end(), [](const Move& move) {
    return move.wrong == 0 && move.passed == move.off_rank;
  });
  return is_right ? 0 : 1;
}

}  // namespace

}  // namespace softmoe::bench

int main(int argc, char** argv) {
  softmoe::bench::Options options;
  CLI::App app("Exchange of one MoE layer on a simulated cluster");
  app.add_option("--what", options.what, "what moves")
      ->check(CLI::IsMember({"counts", "rows", "gradients"}));
  app.add_option("--spread", options.spread, "how rows spread over cells");
  app.add_option("--cells", options.load.cells_per_rank, "cells (experts) of a rank")
      ->check(CLI::PositiveNumber);
  app.add_option("--tokens", options.load.tokens, "tokens of a rank")->check(CLI::PositiveNumber);
  app.add_option("--rows", options.load.rows, "rows of a rank")->check(CLI::NonNegativeNumber);
  app.add_option("--row-bytes", options.row_bytes, "bytes of a row, a multiple of 4 from 16 on");
  app.add_option("--elements", options.elements, "gradients of a rank, f32")
      ->check(CLI::PositiveNumber);
  app.add_option("--json", options.json, "file to which a line for each move is added");
  CLI11_PARSE(app, argc, argv);
  try {
    return softmoe::bench::run(options);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
