// What the exchange of rows costs: counts, rows to their cells, rows back, and the same tokens
// moved padded. Every row says where it comes from, and every element is checked.
//
//     build/release/bench/row_exchange [--ranks P] [--json FILE]      ranks are threads
//     mpirun -n P ... build/release/bench/row_exchange                ranks are processes
//
// algbw: bytes of a rank, its own included, over time. busbw: what the busiest rank sends to or
// receives from others, over time. Times are of the slowest rank.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "bench/exchange_rank.h"
#include "parallel/local/local_world.h"
#include "parallel/mpi/expected_world.h"
#include "parallel/mpi/mpi_session.h"
#include "parallel/reduce.h"
#include "runtime/base/errors.h"

namespace softmoe::bench {

namespace {

struct Options {
  int ranks = 2;
  std::vector<std::int64_t> tokens = {64, 512, 2048};
  std::vector<std::int64_t> row_bytes = {64, 768, 4096};
  std::vector<int> cells = {1, 8, 32};
  std::vector<std::string> spreads = {"balanced", "zipf", "hot_rank", "idle_rank", "gaps"};
  int experts_per_token = 4;
  int max_experts = 8;
  int repetitions = 15;
  std::string json;
};

struct Size {
  RowLoad load;
  std::string spread;
  std::int64_t row_bytes = 0;
};

/// One move of one size, over all ranks.
struct Line {
  std::string move;
  double median_seconds = 0;
  double min_seconds = 0;
  double bytes_of_rank = 0;         ///< mean, own rows included
  std::int64_t bytes_busiest = 0;   ///< sent to or received from others by the busiest rank
  std::int64_t bytes_off_rank = 0;  ///< of all ranks
  std::int64_t wrong = 0;           ///< elements of all ranks
  std::int64_t over = 0;            ///< rows that do not fit: padded only
};

/// Times of the slowest rank, and sums of wrong elements, over all ranks.
class Meter {
 public:
  Meter(parallel::Communicator& world, int repetitions)
      : world_(world),
        repetitions_(repetitions),
        device_({.backend = Backend::cpu, .num_threads = 1}),
        stream_(device_) {}

  /// Calls prepare(), move() and wrong() again and again; times only move().
  template <class Prepare, class Move, class Wrong>
  void measure(Line& line, const Prepare& prepare, const Move& move, const Wrong& wrong) {
    std::vector<double> seconds;
    std::int64_t found = 0;
    for (int i = 0; i <= repetitions_; ++i) {
      prepare();
      world_.barrier();
      const auto begin = std::chrono::steady_clock::now();
      move();
      const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
      const double slowest = max_over_ranks(time.count());
      if (i > 0) seconds.push_back(slowest);  // the first touches memory
      found += wrong();
    }
    parallel::all_reduce_sum_on_host(std::span(&found, 1), world_, stream_);
    line.wrong = found;
    std::sort(seconds.begin(), seconds.end());
    line.min_seconds = seconds.front();
    line.median_seconds = seconds[seconds.size() / 2];
  }

 private:
  double max_over_ranks(double mine) {
    // A sum of vectors in which everybody has his own place.
    std::vector<double> all(static_cast<std::size_t>(world_.size()));
    all[static_cast<std::size_t>(world_.rank().value)] = mine;
    parallel::all_reduce_sum_on_host(std::span(all), world_, stream_);
    return *std::max_element(all.begin(), all.end());
  }

  parallel::Communicator& world_;
  int repetitions_;
  CpuDevice device_;
  Stream stream_;
};

Line line_of_counts(const Size& size) {
  const std::int64_t bytes = size.load.cells() * std::int64_t{sizeof(std::int32_t)};
  return {.move = "counts",
          .bytes_of_rank = static_cast<double>(bytes * size.load.ranks),
          .bytes_busiest = bytes * (size.load.ranks - 1),
          .bytes_off_rank = bytes * (size.load.ranks - 1) * size.load.ranks};
}

Line line_of_rows(std::string move, const Size& size, const RowTotals& totals, double rows) {
  return {.move = std::move(move),
          .bytes_of_rank = rows * static_cast<double>(size.row_bytes),
          .bytes_busiest = totals.busiest() * size.row_bytes,
          .bytes_off_rank = totals.off_rank() * size.row_bytes};
}

std::vector<Line> measure_exact(parallel::Communicator& world, const Size& size, Meter& meter) {
  const std::vector<std::int32_t> count_PC = make_row_counts(size.load);
  ExchangeRank rank(world, size.load, count_PC, size.row_bytes);
  const RowTotals totals(size.load, count_PC);
  double rows = 0;
  for (const std::int32_t count : count_PC) rows += count;
  rows /= size.load.ranks;
  std::vector<Line> lines = {line_of_counts(size), line_of_rows("forward", size, totals, rows),
                             line_of_rows("reverse", size, totals, rows)};
  meter.measure(
      lines[0], [] {}, [&] { rank.gather(); }, [&] { return rank.wrong_counts(); });
  meter.measure(
      lines[1], [&] { rank.forget(); }, [&] { rank.forward(/*with_gates=*/false); },
      [&] { return rank.wrong_received(); });
  meter.measure(
      lines[2],
      [&] {
        rank.forget();
        rank.forward(/*with_gates=*/false);
      },
      [&] { rank.reverse(/*with_gates=*/false); }, [&] { return rank.wrong_returned(); });
  return lines;
}

Line measure_padded(parallel::Communicator& world, const Size& size, int max_experts,
                    Meter& meter) {
  PaddedExchange padded(world, size.load, max_experts, size.row_bytes);
  Line line{
      .move = "padded",
      .bytes_of_rank = static_cast<double>(size.load.cells() * padded.slots() * size.row_bytes),
      .bytes_busiest = padded.bytes_off_rank(),
      .bytes_off_rank = padded.bytes_off_rank() * size.load.ranks,
      .over = rows_over(make_row_counts(size.load), padded.slots())};
  meter.measure(
      line, [&] { padded.forget(); }, [&] { padded.forward(); },
      [&] { return padded.wrong_received(); });
  return line;
}

/// What rank 0 prints and keeps.
class Table {
 public:
  Table() {
    fmt::print(
        "{:>5} {:>6} {:>8} {:>6} {:>10} {:>8} {:>11} {:>11} {:>8} {:>8} {:>13} {:>6} {:>8}\n",
        "ranks", "cells", "rows", "bytes", "spread", "move", "median, us", "min, us", "algbw",
        "busbw", "off-rank", "wrong", "over");
  }

  void add(const Size& size, const Line& line) {
    const auto rate = [&](double bytes) { return 1e-9 * bytes / line.median_seconds; };
    const double algbw = rate(line.bytes_of_rank);
    const double busbw = rate(static_cast<double>(line.bytes_busiest));
    fmt::print(
        "{:>5} {:>6} {:>8} {:>6} {:>10} {:>8} {:>11.1f} {:>11.1f} {:>8.3f} {:>8.3f} {:>13} {:>6} "
        "{:>8}\n",
        size.load.ranks, size.load.cells_per_rank, size.load.rows, size.row_bytes, size.spread,
        line.move, 1e6 * line.median_seconds, 1e6 * line.min_seconds, algbw, busbw,
        line.bytes_off_rank, line.wrong, line.over);
    lines_.push_back({{"ranks", size.load.ranks},
                      {"cells_per_rank", size.load.cells_per_rank},
                      {"tokens_per_rank", size.load.tokens},
                      {"rows_per_rank", size.load.rows},
                      {"row_bytes", size.row_bytes},
                      {"spread", size.spread},
                      {"move", line.move},
                      {"seconds_median", line.median_seconds},
                      {"seconds_min", line.min_seconds},
                      {"algbw_gb_per_second", algbw},
                      {"busbw_gb_per_second", busbw},
                      {"bytes_off_rank", line.bytes_off_rank},
                      {"bytes_busiest_rank", line.bytes_busiest},
                      {"wrong_elements", line.wrong},
                      {"rows_over_capacity", line.over}});
    wrong_ += line.wrong;
  }

  void write(const std::string& path) const {
    if (path.empty()) return;
    std::ofstream file(path, std::ios::trunc);
    file << lines_.dump(1) << "\n";
    file.close();
    if (!file)
      throw StorageError(StorageError::Kind::cannot_write,
                         fmt::format("{}: cannot be written", path));
  }
  [[nodiscard]] std::int64_t wrong() const { return wrong_; }

 private:
  nlohmann::json lines_ = nlohmann::json::array();
  std::int64_t wrong_ = 0;
};

std::vector<Size> sizes_of(const Options& options, int ranks) {
  std::vector<Size> sizes;
  for (const std::string& spread : options.spreads) {
    for (const int cells : options.cells) {
      for (const std::int64_t tokens : options.tokens) {
        for (const std::int64_t row_bytes : options.row_bytes) {
          const std::int64_t most = tokens * ranks * cells;
          sizes.push_back({{.ranks = ranks,
                            .cells_per_rank = cells,
                            .tokens = tokens,
                            .rows = std::min(tokens * options.experts_per_token, most),
                            .spread = spread_of(spread)},
                           spread,
                           row_bytes});
        }
      }
    }
  }
  return sizes;
}

/// @param table  null on all ranks but the first
void measure_all(parallel::Communicator& world, const Options& options, Table* table) {
  Meter meter(world, options.repetitions);
  for (const Size& size : sizes_of(options, world.size())) {
    const int max_experts =
        static_cast<int>(std::min<std::int64_t>(options.max_experts, size.load.cells()));
    std::vector<Line> lines = measure_exact(world, size, meter);
    lines.push_back(measure_padded(world, size, max_experts, meter));
    if (table == nullptr) continue;
    for (const Line& line : lines) table->add(size, line);
    std::fflush(stdout);
  }
}

int finish(const Options& options, const Table& table) {
  table.write(options.json);
  if (table.wrong() == 0) return 0;
  fmt::print(stderr, "{} elements are wrong\n", table.wrong());
  return 1;
}

int run_threads(const Options& options) {
  const parallel::LocalWorld world(options.ranks);
  Table table;
  std::mutex mutex;
  std::exception_ptr failure;
  const auto run_rank = [&](int rank) {
    const std::unique_ptr<parallel::Communicator> mine = world.communicator(Rank(rank));
    try {
      measure_all(*mine, options, rank == 0 ? &table : nullptr);
    } catch (...) {
      const std::scoped_lock lock(mutex);
      if (!failure) failure = std::current_exception();
      mine->abort();
    }
  };
  std::vector<std::thread> threads;
  for (int rank = 0; rank < options.ranks; ++rank) threads.emplace_back(run_rank, rank);
  for (std::thread& thread : threads) thread.join();
  if (failure) std::rethrow_exception(failure);
  return finish(options, table);
}

int run_processes(const Options& options) {
  parallel::MpiSession session;
  const auto world = session.world();
  if (session.rank() != Rank(0)) {
    measure_all(*world, options, nullptr);
    return 0;
  }
  Table table;
  measure_all(*world, options, &table);
  return finish(options, table);
}

}  // namespace

}  // namespace softmoe::bench

int main(int argc, char** argv) {
  softmoe::bench::Options options;
  CLI::App app("What the exchange of rows costs");
  app.add_option("--ranks", options.ranks, "threads; under mpirun its processes are the ranks")
      ->check(CLI::Range(1, 256));
  app.add_option("--tokens", options.tokens, "tokens of a rank")->check(CLI::PositiveNumber);
  app.add_option("--row-bytes", options.row_bytes, "bytes of a row, multiples of 4 from 16 on");
  app.add_option("--cells", options.cells, "cells (experts) of a rank")->check(CLI::PositiveNumber);
  app.add_option("--spreads", options.spreads, "how rows spread over cells");
  app.add_option("--experts-per-token", options.experts_per_token, "rows of a token in the mean");
  app.add_option("--max-experts", options.max_experts, "slots of a token when padded (K_max)");
  app.add_option("--repetitions", options.repetitions, "of each move")->check(CLI::PositiveNumber);
  app.add_option("--json", options.json, "file for the table");
  CLI11_PARSE(app, argc, argv);
  try {
    const bool is_launched = softmoe::parallel::expected_world({}, std::getenv).has_value();
    return is_launched ? softmoe::bench::run_processes(options)
                       : softmoe::bench::run_threads(options);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
