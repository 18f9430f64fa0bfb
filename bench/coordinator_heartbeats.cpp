// What heartbeats cost a coordinator: its own process, and so many ranks that each hold a
// connection and send one heartbeat a second.
//
//     build/release/bench/coordinator_heartbeats [--ranks 64,256] [--seconds 15] [--json FILE]
//
// The ranks are simulated by a few threads of this process, on the same machine: their work is in
// the latencies, not in the memory and the processor time of the coordinator.

#include <fmt/format.h>
#include <fmt/os.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "bench/coordinator_process.h"
#include "bench/simulated_ranks.h"

namespace softmoe::bench {
namespace {

struct Options {
  std::string softmoe;
  std::vector<int> ranks = {64, 256, 1024, 4096};
  int seconds = 15;
  int threads = 8;
  double heartbeat_seconds = 1.0;
  std::vector<std::string> overrides;
  std::string json;
};

double seconds_of(Clock::duration time) {
  return std::chrono::duration<double>(time).count();
}

/// Runs a function on every element, each on a thread of its own.
template <class Work>
void on_threads(std::size_t num_threads, const Work& work) {
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < num_threads; ++i) threads.emplace_back([&work, i] { work(i); });
}

double at_share(const std::vector<double>& sorted, double share) {
  if (sorted.empty()) return 0.0;
  const auto last = static_cast<double>(sorted.size() - 1);
  return sorted[static_cast<std::size_t>(share * last)];
}

std::int64_t count_not_alive(const coordinator::Status& status) {
  return std::count_if(status.members.begin(), status.members.end(), [](const auto& member) {
    return member.state != coordinator::MemberState::alive;
  });
}

nlohmann::json measure(const Options& options, int world) {
  const CoordinatorProcess process({.softmoe = options.softmoe,
                                    .world = world,
                                    .heartbeat_seconds = options.heartbeat_seconds,
                                    .overrides = options.overrides});
  const coordinator::Status status = process.status();
  const Usage empty = process.usage();
  const auto num_threads = static_cast<std::size_t>(std::min(options.threads, world));
  std::vector<SimulatedRanks> ranks;
  for (std::size_t i = 0; i < num_threads; ++i)
    ranks.emplace_back(process, status, static_cast<int>(i), static_cast<int>(num_threads));
  std::vector<Seen> seen(num_threads);

  const auto came = Clock::now();
  on_threads(num_threads, [&](std::size_t i) { ranks[i].register_all(seen[i]); });
  const double registered_in = seconds_of(Clock::now() - came);

  const Usage before = process.usage();
  const auto period = std::chrono::duration_cast<Clock::duration>(
      std::chrono::duration<double>(options.heartbeat_seconds));
  const int num_periods =
      std::max(1, static_cast<int>(options.seconds / options.heartbeat_seconds));
  const auto begin = Clock::now();
  on_threads(num_threads,
             [&](std::size_t i) { ranks[i].beat(begin, period, num_periods, seen[i]); });
  // The last period ends as the others did.
  std::this_thread::sleep_until(begin + num_periods * period);
  const double elapsed = seconds_of(Clock::now() - begin);
  const Usage after = process.usage();

  Seen all;
  for (const Seen& part : seen) all.add(part);
  std::sort(all.latencies_ms.begin(), all.latencies_ms.end());
  return {{"ranks", world},
          {"registered_in_seconds", registered_in},
          {"registering_processor_seconds", before.processor_seconds - empty.processor_seconds},
          {"heartbeats_per_second", static_cast<double>(all.latencies_ms.size()) / elapsed},
          {"median_ms", at_share(all.latencies_ms, 0.5)},
          {"p99_ms", at_share(all.latencies_ms, 0.99)},
          {"max_ms", at_share(all.latencies_ms, 1.0)},
          {"latest_ms", all.latest_ms},
          {"resident_kib_without_ranks", empty.resident_kib},
          {"resident_kib", after.resident_kib},
          {"peak_kib", after.peak_kib},
          {"kib_per_rank", (after.resident_kib - empty.resident_kib) / world},
          {"processor_ratio", (after.processor_seconds - before.processor_seconds) / elapsed},
          {"failed", all.failed},
          {"refused", all.refused},
          {"not_alive", count_not_alive(process.status())},
          {"first_error", all.first_error}};
}

void print_head() {
  fmt::print("{:>6} {:>9} {:>8} {:>9} {:>8} {:>8} {:>8} {:>9} {:>9} {:>9} {:>9} {:>6} {:>5}\n",
             "ranks", "register", "beats/s", "median", "p99", "max", "late", "RSS empty", "RSS",
             "peak", "per rank", "cores", "wrong");
}

/// @return whether every call was answered, in its period, and every rank is alive
bool print_row(const nlohmann::json& row, double heartbeat_seconds) {
  const auto number = [&](const char* key) { return row.at(key).get<double>(); };
  const auto count = [&](const char* key) { return row.at(key).get<std::int64_t>(); };
  const std::int64_t wrong = count("failed") + count("refused") + count("not_alive");
  constexpr double kKibPerMib = 1024.0;
  fmt::print(
      "{:>6} {:>7.2f} s {:>8.1f} {:>6.2f} ms {:>5.2f} ms {:>5.1f} ms {:>5.1f} ms {:>5.1f} MiB "
      "{:>5.1f} MiB {:>5.1f} MiB {:>5.1f} KiB {:>6.3f} {:>5}\n",
      count("ranks"), number("registered_in_seconds"), number("heartbeats_per_second"),
      number("median_ms"), number("p99_ms"), number("max_ms"), number("latest_ms"),
      number("resident_kib_without_ranks") / kKibPerMib, number("resident_kib") / kKibPerMib,
      number("peak_kib") / kKibPerMib, number("kib_per_rank"), number("processor_ratio"), wrong);
  std::fflush(stdout);
  if (wrong > 0) {
    fmt::print(stderr, "{} calls failed, {} were refused, {} ranks are not alive; the first: {}\n",
               count("failed"), count("refused"), count("not_alive"),
               row.at("first_error").get<std::string>());
  }
  const bool is_late = number("latest_ms") > 1000.0 * heartbeat_seconds;
  if (is_late) {
    fmt::print(stderr,
               "heartbeats began {:.1f} s late: calls took too long for the threads that make "
               "them, here or in the coordinator\n",
               number("latest_ms") / 1000.0);
  }
  return wrong == 0 && !is_late;
}

/// Every rank is a connection, here and in the coordinator, which inherits the limit.
void raise_limit_of_files() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

int run(const Options& options) {
  raise_limit_of_files();
  nlohmann::json rows = nlohmann::json::array();
  bool is_sound = true;
  print_head();
  for (const int world : options.ranks) {
    rows.push_back(measure(options, world));
    is_sound = print_row(rows.back(), options.heartbeat_seconds) && is_sound;
  }
  if (!options.json.empty()) {
    const nlohmann::json all = {{"seconds", options.seconds},
                                {"threads", options.threads},
                                {"heartbeat_seconds", options.heartbeat_seconds},
                                {"overrides", options.overrides},
                                {"rows", std::move(rows)}};
    fmt::output_file(options.json).print("{}\n", all.dump(2));
  }
  return is_sound ? 0 : 1;
}

}  // namespace
}  // namespace softmoe::bench

int main(int argc, char** argv) {
  softmoe::bench::Options options;
  std::error_code ignored;
  const auto here = std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path();
  options.softmoe = (here.parent_path() / "bin" / "softmoe").string();
  CLI::App app("Measures a coordinator under the heartbeats of many ranks.");
  app.add_option("--softmoe", options.softmoe, "the program; default: of this build");
  app.add_option("--ranks", options.ranks, "worlds to measure")
      ->delimiter(',')
      ->check(CLI::Range(1, 1 << 20));
  app.add_option("--seconds", options.seconds, "of heartbeats in each")->check(CLI::Range(1, 3600));
  app.add_option("--threads", options.threads, "that send them")->check(CLI::Range(1, 1024));
  app.add_option("--heartbeat-seconds", options.heartbeat_seconds, "between two of one rank")
      ->check(CLI::Range(0.01, 3600.0));
  app.add_option("--set", options.overrides, "KEY=VALUE for the coordinator");
  app.add_option("--json", options.json, "also write the numbers there");
  CLI11_PARSE(app, argc, argv);
  try {
    return softmoe::bench::run(options);
  } catch (const std::exception& error) {
    fmt::print(stderr, "coordinator_heartbeats: {}\n", error.what());
    return 1;
  }
}
