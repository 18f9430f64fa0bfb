// What Prometheus sees of `softmoe train` while it runs, and what it leaves of the run alone.

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <csignal>
#include <cstdint>
#include <optional>
#include <set>
#include <thread>

#include "tests/integration/workplace.h"
#include "tests/support/metrics_page.h"
#include "tests/support/patience.h"
#include "tests/unit/runtime_metrics/raw_client.h"

namespace softmoe::test {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::AnyOf;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

/// Listens at 127.0.0.1 while it lives.
class Listener {
 public:
  /// @param port  0: any free one
  explicit Listener(int port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{.sin_family = AF_INET,
                        .sin_port = htons(static_cast<std::uint16_t>(port)),
                        .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    is_bound_ = ::bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
                ::listen(socket_, 1) == 0;
    socklen_t size = sizeof address;
    ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
  }
  ~Listener() { ::close(socket_); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  [[nodiscard]] bool is_bound() const { return is_bound_; }
  [[nodiscard]] int port() const { return port_; }

 private:
  int socket_;
  bool is_bound_ = false;
  int port_ = 0;
};

/// A port that is free, and so is the next one. Not one that the system gives to those who connect:
/// who asks for such a port again and again before anybody listens ends up talking to himself.
int two_free_ports() {
  for (int attempt = 0; attempt < 1000; ++attempt) {
    const int port = 20000 + (::getpid() * 7 + attempt * 2) % 10000;
    if (Listener(port).is_bound() && Listener(port + 1).is_bound()) return port;
  }
  throw std::runtime_error("no two neighbouring ports are free");
}

std::string at_port(int port) {
  return "127.0.0.1:" + std::to_string(port);
}

/// The reply to a GET; nothing while nobody listens.
std::string ask(const std::string& address, const std::string& path) {
  try {
    return metrics::get(address, path);
  } catch (const std::runtime_error&) {
    return "";
  }
}

int status(const std::string& address, const std::string& path) {
  return metrics::status_of(ask(address, path));
}

/// Calls `is_so` until it is true. @return whether it was within 90 s
template <class Condition>
bool comes_true(Condition is_so) {
  const auto deadline = std::chrono::steady_clock::now() + patience(90s);
  while (std::chrono::steady_clock::now() < deadline) {
    if (is_so()) return true;
    std::this_thread::sleep_for(2ms);
  }
  return false;
}

/// A page of which `is_wanted` is true. @throws std::runtime_error if none comes
template <class Condition>
MetricsPage wait_for_page(const std::string& address, Condition is_wanted) {
  std::optional<MetricsPage> found;
  const bool came = comes_true([&] {
    const std::string reply = ask(address, "/metrics");
    if (metrics::status_of(reply) != 200) return false;
    MetricsPage page(metrics::body_of(reply));
    if (!page.families().contains("softmoe_alltoall_rows_total") || !is_wanted(page)) return false;
    found.emplace(std::move(page));
    return true;
  });
  if (!came) throw std::runtime_error("no such page of metrics at " + address);
  return std::move(*found);
}

/// Steps that have ended on the rank of a page, by what every rank counts.
bool has_run_steps(const MetricsPage& page) {
  return page.sum("softmoe_alltoall_rows_total", {{"direction", "sent"}, {"scope", "all"}}) > 0;
}

std::vector<std::string> targets_of(const std::string& address) {
  std::vector<std::string> targets;
  for (const auto& target : nlohmann::json::parse(metrics::body_of(ask(address, "/sd")))) {
    targets.push_back(target.at("targets").at(0));
  }
  return targets;
}

const Words kEndless = {"train",          "-c",
                        "config.yaml",    "training.steps=1000000",
                        "run.folder=run", "training.evaluate_every=0"};

void expect_no_findings(const Workplace& place, const std::string& page) {
  const auto shell = [&](const char* words) {
    return run_program({.words = {"/bin/sh", "-c", words}, .directory = place / ""});
  };
  if (shell("command -v promtool").code != 0) {
    const char* ci = std::getenv("CI");
    ASSERT_STRNE(ci == nullptr ? "" : ci, "true") << "no promtool: install prometheus";
    GTEST_SKIP() << "no promtool: install the Debian package prometheus";
  }
  write_file(place / "page", page);
  const Ended checked = run_program(
      {.words = {"/bin/sh", "-c", "promtool check metrics <page"}, .directory = place / ""});
  EXPECT_EQ(checked.code, 0) << checked.output;
  EXPECT_EQ(checked.output, "");
}

/// @param families  and those that docs/metrics.md gives to these places
void expect_documented(const MetricsPage& page, const std::set<std::string>& places) {
  std::set<std::string> documented;
  for (const auto& [name, metric] : documented_metrics(SOFTMOE_SOURCE_DIR)) {
    if (places.contains(metric.where)) documented.insert(name);
  }
  std::set<std::string> served;
  for (const auto& [name, _] : page.families()) served.insert(name);
  EXPECT_EQ(served, documented);
  EXPECT_EQ(page.value("softmoe_metrics_series"), page.num_series());
}

TEST(Metrics, OfEveryRankAreServedWhileItTrains) {
  const Workplace place;
  const int port = two_free_ports();
  RunningProgram program(
      place.by_mpirun(2,
                      kEndless + Words{"metrics.listen=" + at_port(port), "training.lanes=64",
                                       "metrics.expert_detail=full", "coordinator.placement=off"}),
      120s);
  std::set<int> before;
  ASSERT_TRUE(comes_true([&] {
    const int code = status(at_port(port), "/readyz");
    if (code != 200) before.insert(code);
    return code == 200;
  }));

  EXPECT_THAT(before, AllOf(testing::Contains(503), Not(testing::Contains(404))));
  EXPECT_EQ(read_file(place / "run/metrics_address"), at_port(port) + "\n");
  const std::vector<std::string> targets = targets_of(at_port(port));
  EXPECT_THAT(targets, testing::ElementsAre(at_port(port), at_port(port + 1)));
  for (const std::string& address : targets) {
    EXPECT_EQ(status(address, "/livez"), 200);
    (void)wait_for_page(address, has_run_steps);
    const std::string text = metrics::body_of(ask(address, "/metrics"));
    expect_no_findings(place, text);
    const bool is_root = address == targets.front();
    const std::set<std::string> of_rank = {"rank", "rank, coordinator"};
    expect_documented(MetricsPage(text),
                      is_root ? std::set<std::string>{"0", "rank", "rank, coordinator"} : of_rank);
    EXPECT_EQ(status(address, "/sd"), is_root ? 200 : 404);
  }
}

TEST(Metrics, OfAnEmbeddedCoordinatorAreOnThePageOfRank0) {
  const Workplace place;
  const int port = two_free_ports();
  RunningProgram program(place.by_mpirun(2, kEndless + Words{"metrics.listen=" + at_port(port),
                                                             "metrics.expert_detail=topk"}),
                         120s);
  const auto ranks = [](const MetricsPage& page, const char* state) {
    return page.value("softmoe_coordinator_ranks", {{"state", state}});
  };

  const MetricsPage page = wait_for_page(at_port(port), [&](const MetricsPage& candidate) {
    return has_run_steps(candidate) && ranks(candidate, "alive") == 2;
  });

  EXPECT_EQ(page.value("softmoe_coordinator_ranks_expected"), 2);
  EXPECT_EQ(page.value("softmoe_coordinator_rank_incarnations", {{"rank", "1"}}), 1);
  const std::string text = metrics::body_of(ask(at_port(port), "/metrics"));
  expect_no_findings(place, text);
  // Level full is the only family that is not there.
  std::set<std::string> unserved;
  for (const auto& [name, _] : documented_metrics(SOFTMOE_SOURCE_DIR)) {
    if (!MetricsPage(text).families().contains(name)) unserved.insert(name);
  }
  EXPECT_THAT(unserved, testing::ElementsAre("softmoe_expert_load_ratio"));
  EXPECT_THAT(metrics::body_of(ask(at_port(port + 1), "/metrics")),
              Not(HasSubstr("softmoe_coordinator")));
}

/// Tokens of llm.c for an evaluation that takes its time.
void write_tokens(const std::filesystem::path& path, std::size_t count) {
  std::vector<std::uint32_t> words(256 + count);
  words[0] = 20240801;
  words[1] = 7;
  words[2] = static_cast<std::uint32_t>(count);
  for (std::size_t i = 0; i < count; ++i) {
    words[256 + i] = static_cast<std::uint32_t>(i * i % 299);
  }
  write_file(path, {reinterpret_cast<const char*>(words.data()), 4 * words.size()});
}

/// What the lines of metrics.jsonl add up to.
struct Totals {
  double steps = 0;
  double tokens = 0;
  double seconds = 0;
  double rows_received = 0;
  double rows_sent_off_rank = 0;
  std::array<double, 2> rows_L = {};
  std::map<std::string, double> phases;
};

Totals totals_of(const std::filesystem::path& file) {
  Totals totals;
  for (const auto& line : read_json_lines(file)) {
    totals.steps += 1;
    totals.tokens += line["tokens"].get<double>();
    totals.seconds += line["seconds"].get<double>();
    totals.rows_received += line["rows_received_rank0"].get<double>();
    totals.rows_sent_off_rank += line["rows_sent_off_rank0"].get<double>();
    for (std::size_t layer = 0; layer < 2; ++layer) {
      for (const double load : line["layers"][layer]["loads"]) totals.rows_L[layer] += load;
    }
    for (const auto& [phase, seconds] : line["phase_seconds_rank0"].items()) {
      totals.phases[phase] += seconds.get<double>();
    }
  }
  return totals;
}

TEST(Metrics, AgreeWithTheRunFolderAtTheEnd) {
  const Workplace place;
  write_tokens(place / "x_train.bin", 4000);
  write_tokens(place / "x_val.bin", 3'000'000);
  const int port = two_free_ports();
  RunningProgram program(
      place.by_mpirun(2, {"train", "-c", "config.yaml", "run.folder=run", "training.steps=25",
                          "training.evaluate_every=0", "metrics.listen=" + at_port(port),
                          "data.corpus=", "data.train=x_train.bin", "data.validation=x_val.bin"}),
      120s);

  // The last evaluation takes seconds, in which nothing is counted.
  const MetricsPage page = wait_for_page(at_port(port), [](const MetricsPage& candidate) {
    return candidate.value("softmoe_train_state", {{"state", "evaluate"}}) == 1;
  });

  const Totals totals = totals_of(place / "run/metrics.jsonl");
  EXPECT_EQ(totals.steps, 25);
  EXPECT_EQ(page.value("softmoe_train_step"), 25);
  EXPECT_EQ(page.value("softmoe_train_steps_target"), 25);
  EXPECT_EQ(page.value("softmoe_train_steps_total"), totals.steps);
  EXPECT_EQ(page.value("softmoe_train_tokens_total"), totals.tokens);
  EXPECT_EQ(page.value("softmoe_layer_rows_total", {{"layer", "0"}}), totals.rows_L[0]);
  EXPECT_EQ(page.value("softmoe_layer_rows_total", {{"layer", "1"}}), totals.rows_L[1]);
  EXPECT_EQ(page.value("softmoe_data_position_sequences"), 25 * 8);
  EXPECT_EQ(page.value("softmoe_step_duration_seconds_count"), totals.steps);
  EXPECT_NEAR(page.value("softmoe_step_duration_seconds_sum"), totals.seconds, 1e-9);
  EXPECT_EQ(page.value("softmoe_alltoall_rows_total", {{"direction", "received"}}),
            totals.rows_received);
  EXPECT_EQ(
      page.value("softmoe_alltoall_rows_total", {{"direction", "sent"}, {"scope", "off_rank"}}),
      totals.rows_sent_off_rank);
  for (const auto& [phase, seconds] : totals.phases) {
    if (phase == "storage") continue;  // no step saves
    EXPECT_NEAR(page.value("softmoe_step_phase_seconds_total", {{"phase", phase}}), seconds, 1e-9);
  }
  const double between = page.value("softmoe_step_phase_seconds_total", {{"phase", "between"}});
  EXPECT_NEAR(page.sum("softmoe_step_phase_seconds_total") - between, totals.seconds, 1e-9);
  // Every publication tells of all experts: after step 1, 11, 21, and at the end.
  EXPECT_EQ(page.value("softmoe_layer_expert_load_ratio_count", {{"layer", "1"}}), 4 * 8);
  EXPECT_TRUE(std::isnan(page.value("softmoe_eval_loss")));
}

TEST(Metrics, OfBothRanksAgreeOnWhatWentBetweenThem) {
  const Workplace place;
  write_tokens(place / "x_train.bin", 4000);
  write_tokens(place / "x_val.bin", 3'000'000);
  const int port = two_free_ports();
  RunningProgram program(
      place.by_mpirun(2, {"train", "-c", "config.yaml", "run.folder=run", "training.steps=9",
                          "training.evaluate_every=0", "metrics.listen=" + at_port(port),
                          "data.corpus=", "data.train=x_train.bin", "data.validation=x_val.bin"}),
      120s);
  const MetricsPage first = wait_for_page(at_port(port), [](const MetricsPage& candidate) {
    return candidate.value("softmoe_train_state", {{"state", "evaluate"}}) == 1;
  });
  const double rows = first.sum("softmoe_layer_rows_total");
  const auto sent = [](const MetricsPage& page) {
    return page.value("softmoe_alltoall_rows_total", {{"direction", "sent"}, {"scope", "all"}});
  };
  const MetricsPage second = wait_for_page(at_port(port + 1), [&](const MetricsPage& candidate) {
    return sent(first) + sent(candidate) == rows;
  });
  const auto bytes = [](const MetricsPage& page, const char* direction, const char* pass) {
    return page.value("softmoe_alltoall_bytes_total", {{"direction", direction}, {"pass", pass}});
  };

  // Rows of 32 numbers, and a gate; what one rank sends out forward the other sends back.
  constexpr double kRow = 32 * 4;
  for (const auto& [one, other] : {std::pair(&first, &second), std::pair(&second, &first)}) {
    const double out = one->value("softmoe_alltoall_rows_total", {{"scope", "off_rank"}});
    EXPECT_GT(out, 0);
    EXPECT_EQ(bytes(*one, "dispatch", "forward"), out * (kRow + 4));
    EXPECT_EQ(bytes(*one, "combine", "backward"), out * kRow);
    EXPECT_EQ(bytes(*other, "combine", "forward"), out * kRow);
    EXPECT_EQ(bytes(*other, "dispatch", "backward"), out * (kRow + 4));
  }
}

TEST(Metrics, AreFoundByAFileThatIsRemovedAtTheEnd) {
  const Workplace place;
  RunningProgram program(
      place.by_mpirun(2, kEndless + Words{"metrics.targets_folder=found/here", "run.id=a b/c"}),
      120s);
  ASSERT_TRUE(program.wait_for_output("step 3/"));
  std::string address = read_file(place / "run/metrics_address");
  address.pop_back();

  const std::filesystem::path file = place / "found/here/softmoe-a_b_c-run.json";
  ASSERT_TRUE(std::filesystem::exists(file));
  const auto targets = nlohmann::json::parse(read_file(file));
  EXPECT_EQ(targets, nlohmann::json::parse(metrics::body_of(ask(address, "/sd"))));
  ASSERT_THAT(targets, SizeIs(2));
  EXPECT_EQ(targets[1]["labels"]["__meta_softmoe_run"], "a b/c");
  EXPECT_EQ(targets[1]["labels"]["__meta_softmoe_rank"], "1");
  EXPECT_EQ(metrics::status_of(ask(targets[1]["targets"][0], "/readyz")), 200);

  program.signal(SIGUSR1);
  const Ended ended = program.wait();
  EXPECT_EQ(ended.code, 75) << ended.output;
  EXPECT_THAT(ended.output, HasSubstr("metrics: http://" + address + "/metrics"));
  EXPECT_FALSE(std::filesystem::exists(file));
  EXPECT_EQ(ask(address, "/metrics"), "");
}

TEST(Metrics, ChangeNothingOfTheRun) {
  const Workplace place;
  const Words words = {"train", "-c", "config.yaml", "training.steps=40"};
  const Ended unserved = place.on_ranks(2, words + Words{"run.folder=unserved", "metrics.listen="});
  ASSERT_EQ(unserved.code, 0) << unserved.output;
  const int port = two_free_ports();
  std::atomic<bool> has_ended = false;
  std::atomic<int> num_scrapes = 0;
  std::thread scraper([&] {
    while (!has_ended) {
      for (const int rank : {0, 1}) {
        num_scrapes += status(at_port(port + rank), "/metrics") == 200 ? 1 : 0;
      }
      std::this_thread::sleep_for(5ms);
    }
  });

  const Ended served =
      place.on_ranks(2, words + Words{"run.folder=served", "metrics.listen=" + at_port(port),
                                      "metrics.expert_detail=full", "metrics.every=1"});
  has_ended = true;
  scraper.join();

  ASSERT_EQ(served.code, 0) << served.output;
  EXPECT_GT(num_scrapes, 0);
  ASSERT_THAT(place.losses("unserved"), SizeIs(40));
  EXPECT_EQ(place.losses("served"), place.losses("unserved"));
  EXPECT_THAT(unserved.output, HasSubstr("metrics: not served"));
  EXPECT_FALSE(std::filesystem::exists(place / "unserved/metrics_address"));
}

TEST(Metrics, RefuseABusyPortOnAllRanksTogether) {
  const Workplace place;
  const int port = two_free_ports();
  const Listener busy(port + 1);
  ASSERT_TRUE(busy.is_bound());

  const Ended ended = place.on_ranks(2, kEndless + Words{"metrics.listen=" + at_port(port)});

  EXPECT_EQ(ended.code, 78) << ended.output;
  EXPECT_EQ(count_errors(ended), 1) << ended.output;
  EXPECT_THAT(ended.output, AllOf(HasSubstr("rank 1: "), HasSubstr(at_port(port + 1))));
  EXPECT_FALSE(std::filesystem::exists(place / "run"));
}

TEST(Metrics, FallToALevelThatFitsAndSaySoOnce) {
  const Workplace place;

  const Ended ended = place.softmoe({"train", "-c", "config.yaml", "run.folder=run",
                                     "metrics.expert_detail=full", "metrics.max_series=200"});

  ASSERT_EQ(ended.code, 0) << ended.output;
  EXPECT_THAT(ended.output,
              HasSubstr("metrics: level full would be 230 series, above metrics.max_series = 200; "
                        "served at level buckets (182 series)"));
}

}  // namespace
}  // namespace softmoe::test
