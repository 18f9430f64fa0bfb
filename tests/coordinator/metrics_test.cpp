// What Prometheus sees of a standalone coordinator: its page, and whom it names.

#include <gmock/gmock.h>

#include <filesystem>
#include <thread>

#include "coordinator/client_calls.h"
#include "coordinator/rank_line.h"
#include "tests/coordinator/supervised_run.h"
#include "tests/support/patience.h"
#include "tests/unit/runtime_metrics/raw_client.h"

namespace softmoe::test {
namespace {

using namespace std::chrono_literals;
using coordinator::Role;
using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
namespace fs = std::filesystem;

const Words kImpatient = {"coordinator.heartbeat_seconds=0.1", "coordinator.silence_seconds=1"};

std::string metrics_address(const Workplace& place) {
  const std::string line = read_file(place / "coordinator/metrics_address");
  EXPECT_EQ(line.back(), '\n');
  return line.substr(0, line.size() - 1);
}

/// The whole of a reply with status 200.
std::string page(const Workplace& place, const std::string& path) {
  const std::string reply = metrics::get(metrics_address(place), path);
  EXPECT_EQ(metrics::status_of(reply), 200) << path << ": " << reply;
  return metrics::body_of(reply);
}

/// Reads the page until `text` stands in it. A page may be some seconds old.
std::string wait_for_page(const Workplace& place, const std::string& text) {
  const auto deadline = std::chrono::steady_clock::now() + patience(90s);
  std::string seen;
  while (std::chrono::steady_clock::now() < deadline) {
    seen = page(place, "/metrics");
    if (seen.find(text) != std::string::npos) return seen;
    std::this_thread::sleep_for(50ms);
  }
  ADD_FAILURE() << "never came: " << text << "\n" << seen;
  return seen;
}

/// Rank lines to the coordinator of a workplace, without a training behind them.
class RanksWithoutARun {
 public:
  explicit RanksWithoutARun(const Workplace& place) {
    config_.folder = (place / "coordinator").string();
    seen_ =
        coordinator::ClientCalls(coordinator::find_endpoint(config_, Role::observer), std::nullopt)
            .call<coordinator::Status>(coordinator::Method::status, coordinator::StatusRequest{},
                                       patience(5s));
  }

  [[nodiscard]] std::unique_ptr<coordinator::RankLine> rank(int rank, const std::string& address) {
    return std::make_unique<coordinator::RankLine>(
        coordinator::RankLine::Parts{.endpoint = coordinator::find_endpoint(config_, Role::rank),
                                     .run = seen_.run,
                                     .rank = Rank{rank},
                                     .progress = progress_,
                                     .changes = {{Step{0}, seen_.budget.in_force}},
                                     .first_step = Step{0},
                                     .log = {},
                                     .metrics_address = address});
  }
  [[nodiscard]] const std::string& run_id() const { return seen_.run.run_id; }

 private:
  coordinator::CoordinatorConfig config_;
  coordinator::Status seen_;
  Progress progress_;
};

TEST(CoordinatorMetrics, NameTheRanksThatServeAndSayWhenOneFallsSilent) {
  const Workplace place;
  CoordinatorProcess coordinator(place, 2, kImpatient + Words{"run.id=night"});
  RanksWithoutARun ranks(place);
  const auto zero = ranks.rank(0, "127.0.0.1:9100");
  auto one = ranks.rank(1, "127.0.0.1:9101");
  (void)wait_for_page(place, R"(softmoe_coordinator_ranks{run="night",state="alive"} 2)");

  const json both = json::parse(page(place, "/sd"));
  one.reset();  // no farewell: it is gone as if it had been killed
  const std::string silent =
      wait_for_page(place, R"(softmoe_coordinator_ranks{run="night",state="silent"} 1)");
  const json after = json::parse(page(place, "/sd"));
  zero->farewell(coordinator::Departure::done, "", patience(5s));
  (void)wait_for_page(place, R"(softmoe_coordinator_ranks{run="night",state="left"} 1)");
  const json last = json::parse(page(place, "/sd"));

  ASSERT_EQ(both.size(), 3U);
  EXPECT_EQ(both[0]["targets"], json::array({metrics_address(place)}));
  EXPECT_EQ(both[0]["labels"]["__meta_softmoe_role"], "coordinator");
  EXPECT_EQ(both[1]["targets"], json::array({"127.0.0.1:9100"}));
  EXPECT_EQ(both[2]["targets"], json::array({"127.0.0.1:9101"}));
  EXPECT_EQ(both[2]["labels"]["__meta_softmoe_rank"], "1");
  EXPECT_EQ(both[2]["labels"]["__meta_softmoe_run"], "night");
  EXPECT_EQ(after, both) << "who is silent is still asked";
  ASSERT_EQ(last.size(), 2U);
  EXPECT_EQ(last[1]["targets"], json::array({"127.0.0.1:9101"}));
  EXPECT_THAT(
      silent,
      AllOf(HasSubstr("softmoe_coordinator_up{run=\"night\"} 1\n"),
            HasSubstr("softmoe_coordinator_stuck{run=\"night\"} 1\n"),
            HasSubstr("softmoe_coordinator_heartbeat_age_seconds{run=\"night\",rank=\"1\"}"),
            HasSubstr("softmoe_coordinator_alarms_total{run=\"night\",kind=\"hang\"} 1\n"),
            HasSubstr("process_resident_memory_bytes{run=\"night\"}"),
            Not(HasSubstr("softmoe_train_"))));
  EXPECT_EQ(status_of(place).value()["ranks"][1]["metrics_address"], "127.0.0.1:9101");
}

TEST(CoordinatorMetrics, AreOfARunThatTrains) {
  const Workplace place;
  const Words words = {"training.steps=100000"};
  CoordinatorProcess coordinator(place, 2, words);
  RunningProgram run(supervised_train(place, 2, "run", words), 200s);
  (void)wait_for_step(place, 5);

  (void)wait_for_page(place, "state=\"alive\"} 2\n");
  const std::string seen = wait_for_page(place, "verdict=\"disagreed\"} 0\n");
  EXPECT_EQ(ctl(place, "drain", {"--yes"}).code, 0);
  const Ended trained = run.wait();
  (void)wait_for_page(place, "state=\"left\"} 2\n");

  EXPECT_EQ(trained.code, 75) << trained.output;
  EXPECT_THAT(seen, AllOf(HasSubstr("method=\"ReportRecords\""), HasSubstr("state=\"alive\"} 2\n"),
                          Not(HasSubstr("softmoe_coordinator_last_record_step} -1"))));
}

TEST(CoordinatorMetrics, AreAddressedInItsFolderForAsLongAsItLives) {
  const Workplace place;
  CoordinatorProcess coordinator(place, 2);

  EXPECT_EQ(metrics::status_of(metrics::get(metrics_address(place), "/livez")), 200);
  EXPECT_EQ(metrics::status_of(metrics::get(metrics_address(place), "/readyz")), 200);
  EXPECT_EQ(metrics::status_of(metrics::get(metrics_address(place), "/elsewhere")), 404);
  const std::string address = metrics_address(place);
  const Ended ended = coordinator.end();

  EXPECT_THAT(ended.output, HasSubstr("; metrics at " + address + ";"));
  EXPECT_FALSE(fs::exists(place / "coordinator/metrics_address"));
  EXPECT_TRUE(fs::exists(place / "coordinator/address"));
}

TEST(CoordinatorMetrics, AreNamedInAFileThatFollowsTheRanksAndGoesWithTheCoordinator) {
  const Workplace place;
  CoordinatorProcess coordinator(
      place, 2, {"run.id=a b/c", "coordinator.targets_folder=" + (place / "found/here").string()});
  const fs::path file = place / "found/here/softmoe-a_b_c-coordinator.json";
  const auto named = [&] { return json::parse(read_file(file)).size(); };
  EXPECT_EQ(named(), 1U);
  RanksWithoutARun ranks(place);

  const auto one = ranks.rank(1, "127.0.0.1:9101");
  const auto deadline = std::chrono::steady_clock::now() + patience(90s);
  while (named() < 2 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(50ms);
  }

  EXPECT_EQ(json::parse(read_file(file)), json::parse(page(place, "/sd")));
  EXPECT_EQ(named(), 2U);
  EXPECT_EQ(coordinator.end().code, 0);
  EXPECT_TRUE(fs::is_empty(place / "found/here"));
}

TEST(CoordinatorMetrics, AreNotServedWhereNobodyIsToListen) {
  const Workplace place;
  std::filesystem::create_directory(place / "coordinator");
  write_file(place / "coordinator/metrics_address", "127.0.0.1:1\n");
  CoordinatorProcess coordinator(place, 2, {"coordinator.metrics_listen="});

  EXPECT_TRUE(coordinator.has_said("no metrics"));
  EXPECT_FALSE(fs::exists(place / "coordinator/metrics_address")) << "of one that was killed";
}

TEST(CoordinatorMetrics, AnAddressThatIsTakenIsRefusedWithItsKey) {
  const Workplace place;
  CoordinatorProcess coordinator(place, 2);

  const Ended second = place.softmoe({"coordinator", "-c", "config.yaml", "--expect-world", "2",
                                      "coordinator.folder=second",
                                      "coordinator.metrics_listen=" + metrics_address(place)});

  EXPECT_EQ(second.code, 78) << second.output;
  EXPECT_THAT(second.output, HasSubstr(metrics_address(place)));
  EXPECT_THAT(second.output, HasSubstr("coordinator.metrics_listen"));
  EXPECT_FALSE(fs::exists(place / "second/address"));
}

}  // namespace
}  // namespace softmoe::test
