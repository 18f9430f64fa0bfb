// What heartbeats cost a coordinator: its own process, and so many ranks that each hold a
// connection and send one heartbeat a second.
//
//     build/release/bench/coordinator_heartbeats [--ranks 64,256] [--seconds 15] [--json FILE]
//
// The ranks are simulated by a few threads of this process, on the same machine: their work is in
// the latencies, not in the memory and the processor time of the coordinator.

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/os.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "coordinator/client_calls.h"
#include "coordinator/endpoint.h"

namespace softmoe::bench {
namespace {

using namespace std::chrono_literals;
using coordinator::ClientCalls;
using coordinator::Method;
using coordinator::Role;
using Clock = std::chrono::steady_clock;
namespace fs = std::filesystem;

constexpr auto kDeadline = 2s;  ///< of a call, as ranks have it
constexpr auto kToServe = 20s;
constexpr std::uint64_t kFirstIncarnation = 1'000'000;

/// A run that can be of any world.
constexpr const char* kConfig = R"(model:
  vocabulary: 300
  positions: 32
  layers: 2
  hidden: 32
  heads: 2
  kv_heads: 1
  experts: {num_experts: 8, inner: 32}
parallel: {expert_parallel: 1}
budget: {total: 4.0}
data: {corpus: corpus}
)";

struct Options {
  std::string softmoe;
  std::vector<int> ranks = {64, 256, 1024, 4096};
  int seconds = 15;
  int threads = 8;
  double heartbeat_seconds = 1.0;
  std::vector<std::string> overrides;
  std::string json;
};

double milliseconds_of(Clock::duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

double seconds_of(Clock::duration time) {
  return std::chrono::duration<double>(time).count();
}

std::string text_of(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

/// A fresh folder, removed with all it holds.
class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "softmoe-heartbeats-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no folder " + name);
    path_ = name;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  [[nodiscard]] fs::path operator/(const std::string& name) const { return path_ / name; }

 private:
  fs::path path_;
};

/// What the system says a process has taken.
struct Usage {
  double resident_kib = 0;
  double peak_kib = 0;
  double processor_seconds = 0;
};

/// `softmoe coordinator` in a process of its own, for as long as this object.
class CoordinatorProcess {
 public:
  CoordinatorProcess(const Options& options, int world) {
    std::ofstream(folder_ / "config.yaml")
        << kConfig << fmt::format("training: {{lanes: {}}}\n", world);
    config_.folder = (folder_ / "coordinator").string();
    std::vector<std::string> words = {
        options.softmoe,
        "coordinator",
        "-c",
        (folder_ / "config.yaml").string(),
        "--expect-world",
        std::to_string(world),
        "coordinator.folder=" + config_.folder,
        fmt::format("coordinator.heartbeat_seconds={}", options.heartbeat_seconds)};
    words.insert(words.end(), options.overrides.begin(), options.overrides.end());
    start(words);
    wait_until_it_serves();
  }
  CoordinatorProcess(const CoordinatorProcess&) = delete;
  CoordinatorProcess& operator=(const CoordinatorProcess&) = delete;
  ~CoordinatorProcess() { end(); }

  [[nodiscard]] coordinator::Endpoint endpoint(Role role) const {
    return coordinator::find_endpoint(config_, role);
  }
  [[nodiscard]] coordinator::Status status() const {
    ClientCalls calls(endpoint(Role::observer), std::nullopt);
    return calls.call<coordinator::Status>(Method::status, coordinator::StatusRequest{}, 10s);
  }

  [[nodiscard]] Usage usage() const {
    const fs::path process = fs::path("/proc") / std::to_string(pid_);
    Usage usage;
    std::istringstream lines(text_of(process / "status"));
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("VmRSS:")) usage.resident_kib = std::atof(line.c_str() + 6);
      if (line.starts_with("VmHWM:")) usage.peak_kib = std::atof(line.c_str() + 6);
    }
    // The name of the program stands in brackets and may hold blanks; behind it the third field
    // begins. The 14th and 15th are ticks in the program and in the system.
    const std::string stat = text_of(process / "stat");
    std::istringstream fields(stat.substr(std::min(stat.rfind(')') + 1, stat.size())));
    std::string skipped;
    for (int field = 3; field < 14; ++field) fields >> skipped;
    double user = 0;
    double system = 0;
    fields >> user >> system;
    usage.processor_seconds = (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
    return usage;
  }

 private:
  void start(std::vector<std::string>& words) {
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    const std::string log = (folder_ / "log").string();
    ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log.c_str(),
                                       O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ::posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
    const int error =
        ::posix_spawn(&pid_, arguments[0], &actions, nullptr, arguments.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    if (error != 0)
      throw std::runtime_error(
          fmt::format("'{}' cannot be started; name it by --softmoe", words[0]));
  }

  [[nodiscard]] bool has_ended() { return pid_ <= 0 || ::waitpid(pid_, nullptr, WNOHANG) != 0; }

  void end() {
    if (has_ended()) return;
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
  }

  void wait_until_it_serves() {
    const auto deadline = Clock::now() + kToServe;
    while (text_of(folder_ / "log").find("serving ") == std::string::npos) {
      if (has_ended()) {
        pid_ = -1;
        throw std::runtime_error("the coordinator ended:\n" + text_of(folder_ / "log"));
      }
      if (Clock::now() > deadline) {
        end();
        throw std::runtime_error("the coordinator does not begin to serve");
      }
      std::this_thread::sleep_for(10ms);
    }
  }

  Folder folder_;
  coordinator::CoordinatorConfig config_;
  pid_t pid_ = -1;
};

/// What a thread's ranks saw.
struct Seen {
  std::vector<double> latencies_ms;
  double latest_ms = 0;  ///< longest that a heartbeat began after it was due
  std::int64_t failed = 0;
  std::int64_t refused = 0;
  std::string first_error;

  /// Makes a call and counts how it ended. @return its time if it was answered
  template <class Call>
  std::optional<double> time(const Call& call) {
    const auto begin = Clock::now();
    try {
      call();
      return milliseconds_of(Clock::now() - begin);
    } catch (const coordinator::Refused& error) {
      ++refused;
      if (first_error.empty()) first_error = error.what();
    } catch (const std::exception& error) {
      ++failed;
      if (first_error.empty()) first_error = error.what();
    }
    return std::nullopt;
  }

  void add(const Seen& other) {
    latencies_ms.insert(latencies_ms.end(), other.latencies_ms.begin(), other.latencies_ms.end());
    latest_ms = std::max(latest_ms, other.latest_ms);
    failed += other.failed;
    refused += other.refused;
    if (first_error.empty()) first_error = other.first_error;
  }
};

/// The ranks first, first + stride, ... of a world, one after the other.
class Ranks {
 public:
  Ranks(const CoordinatorProcess& process, const coordinator::Status& status, int first, int stride)
      : status_(status), first_(first), stride_(stride) {
    const coordinator::Endpoint endpoint = process.endpoint(Role::rank);
    for (int rank = first; rank < status.run.world; rank += stride)
      calls_.push_back(std::make_unique<ClientCalls>(endpoint, Rank{rank}));
  }

  void register_all(Seen& seen) {
    for (std::size_t i = 0; i < calls_.size(); ++i) {
      coordinator::Registration registration{.run = status_.run,
                                             .process = process_of(i),
                                             .host = fmt::format("node-{}", i / 8),
                                             .process_id = 1000,
                                             .seen_term = 0,
                                             .governor = {}};
      if (registration.process.rank == Rank{0})
        registration.governor =
            coordinator::GovernorReport{Step{0}, {{Step{0}, status_.budget.in_force}}};
      (void)seen.time([&] {
        (void)calls_[i]->call<coordinator::Admission>(Method::register_rank, registration,
                                                      kDeadline);
      });
    }
  }

  /// One heartbeat of each in every period, spread over it by rank.
  void beat(Clock::time_point begin, Clock::duration period, int num_periods, Seen& seen) {
    for (int round = 0; round < num_periods; ++round) {
      for (std::size_t i = 0; i < calls_.size(); ++i) {
        const double share = static_cast<double>(process_of(i).rank.value) / status_.run.world;
        const auto due =
            begin + round * period + std::chrono::duration_cast<Clock::duration>(share * period);
        std::this_thread::sleep_until(due);
        seen.latest_ms = std::max(seen.latest_ms, milliseconds_of(Clock::now() - due));
        const coordinator::Heartbeat heartbeat{
            .run_id = status_.run.run_id,
            .process = process_of(i),
            .term = status_.term,
            .place = {
                .step = Step{round}, .phase = Phase::experts, .layer = 1, .operation = round % 7}};
        const auto took = seen.time([&] {
          (void)calls_[i]->call<coordinator::HeartbeatReply>(Method::heartbeat, heartbeat,
                                                             kDeadline);
        });
        if (took) seen.latencies_ms.push_back(*took);
      }
    }
  }

 private:
  [[nodiscard]] coordinator::RankProcess process_of(std::size_t i) const {
    const int rank = first_ + static_cast<int>(i) * stride_;
    return {Rank{rank}, kFirstIncarnation + static_cast<std::uint64_t>(rank)};
  }

  const coordinator::Status& status_;
  int first_;
  int stride_;
  std::vector<std::unique_ptr<ClientCalls>> calls_;
};

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
  const CoordinatorProcess process(options, world);
  const coordinator::Status status = process.status();
  const Usage empty = process.usage();
  const auto num_threads = static_cast<std::size_t>(std::min(options.threads, world));
  std::vector<Ranks> ranks;
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
