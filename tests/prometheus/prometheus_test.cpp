// A real run, scraped by a real Prometheus as the example configuration says: both lists of targets
// lead to every page, and every expression of every dashboard and rule has an answer.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <regex>
#include <sstream>

#include "tests/dashboards/dashboard_file.h"
#include "tests/dashboards/promql.h"
#include "tests/dashboards/tools.h"
#include "tests/prometheus/monitored_run.h"

namespace softmoe::test {
namespace {

using nlohmann::json;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::MatchesRegex;
using ::testing::Not;

const std::filesystem::path kRoot = SOFTMOE_SOURCE_DIR;

/// One run for all tests, in the order in which they stand: the program is one test of ctest.
class Prometheus : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (path_of(Tool::prometheus).empty()) return;
    run_ = std::make_unique<MonitoredRun>();
    has_history_ = run_->wait_for_history();
  }
  static void TearDownTestSuite() { run_.reset(); }

  void SetUp() override {
    if (!has_tool(Tool::prometheus)) return;
    ASSERT_TRUE(has_history_) << "the run or its pages are not there";
  }

  static const PrometheusServer& server() { return run_->prometheus(); }

  /// Instances of a job, with what keeps those from being read that are not up.
  static std::vector<std::string> instances_of(const std::string& job) {
    std::vector<std::string> instances;
    for (const ScrapedTarget& target : server().targets()) {
      if (target.job != job) continue;
      const bool is_up = target.health == "up";
      instances.push_back(target.instance + (is_up ? "" : ": " + target.health));
    }
    return instances;
  }

  static std::map<std::string, std::string> variables() {
    return {{"job", ".+"},  {"instance", ".+"},         {"run", MonitoredRun::kRun},
            {"layer", "1"}, {"__rate_interval", "15s"}, {"datasource", "prometheus"}};
  }

  static std::unique_ptr<MonitoredRun> run_;
  static bool has_history_;
};

std::unique_ptr<MonitoredRun> Prometheus::run_;
bool Prometheus::has_history_ = false;

/// Place -> reason, of no_data.txt.
std::map<std::string, std::string> reasons_for_no_data() {
  std::map<std::string, std::string> reasons;
  std::istringstream lines(text_of(kRoot / "tests/prometheus/no_data.txt"));
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line.starts_with('#')) continue;
    const auto bar = line.find(" | ");
    EXPECT_NE(bar, std::string::npos) << line;
    reasons[line.substr(0, bar)] = line.substr(bar + 3);
  }
  return reasons;
}

TEST_F(Prometheus, FindsEveryRankAndTheCoordinatorByTheCoordinatorsList) {
  EXPECT_THAT(instances_of("softmoe"),
              ElementsAre("watched/coordinator", "watched/rank-0", "watched/rank-1",
                          "watched/rank-2", "watched/rank-3"));
}

TEST_F(Prometheus, FindsEveryRankByTheFileOfTheRun) {
  EXPECT_THAT(instances_of("softmoe-files"), IsSupersetOf({"watched/rank-0", "watched/rank-1",
                                                           "watched/rank-2", "watched/rank-3"}));
}

TEST_F(Prometheus, DropsNoTargetAndNoSample) {
  EXPECT_THAT(server().ask("targets").at("droppedTargets"), IsEmpty());
  EXPECT_THAT(server().query("up == 0"), IsEmpty());
  EXPECT_THAT(server().query("scrape_samples_post_metric_relabeling != scrape_samples_scraped"),
              IsEmpty());
}

TEST_F(Prometheus, GivesVariablesTheirChoices) {
  static const std::regex kShape(R"(label_values\((.+), *(\w+)\))");
  for (const auto& [name, dashboard] : dashboards_in(kRoot / "dashboards")) {
    for (const json& variable : dashboard["templating"]["list"]) {
      if (variable["type"] != "query") continue;
      std::smatch parts;
      const std::string query = variable["query"]["query"];
      ASSERT_TRUE(std::regex_match(query, parts, kShape)) << query;
      const std::string selector = substituted(parts[1].str(), variables());
      const auto choices = server().label_values(selector, parts[2].str());

      const std::string wanted = variables().at(variable["name"]);
      EXPECT_THAT(choices, Contains(MatchesRegex(wanted))) << name << ": " << query;
    }
  }
}

TEST_F(Prometheus, AnswersEveryPanelAndAnnotation) {
  auto reasons = reasons_for_no_data();
  int asked = 0;
  for (const auto& [name, dashboard] : dashboards_in(kRoot / "dashboards")) {
    for (const Question& question : questions_of(name, dashboard)) {
      ++asked;
      const bool has_data = !server().query(substituted(question.expr, variables())).empty();
      const bool is_excused = reasons.erase(question.place) > 0;

      EXPECT_NE(has_data, is_excused)
          << question.place << (has_data ? " has data; take it off no_data.txt: " : " has none: ")
          << question.expr;
    }
  }
  EXPECT_GT(asked, 100);
  for (const auto& [place, reason] : reasons) ADD_FAILURE() << "no such place: " << place;
}

TEST_F(Prometheus, EvaluatesEveryRuleAndNoAlertFires) {
  int rules = 0;
  const json answer = server().ask("rules");
  for (const json& group : answer.at("groups")) {
    for (const json& rule : group.at("rules")) {
      ++rules;
      EXPECT_EQ(rule.at("health"), "ok") << rule.at("name") << ": " << rule.value("lastError", "");
      if (rule.at("type") == "alerting") {
        EXPECT_NE(rule.at("state"), "firing") << rule.at("name") << ": " << rule.at("alerts");
      }
    }
  }
  const auto folder = kRoot / "dashboards/rules";
  EXPECT_EQ(static_cast<std::size_t>(rules),
            rules_in(folder / "recording.yaml").size() + rules_in(folder / "alerts.yaml").size());
}

TEST_F(Prometheus, HasWhatEachRecordingMakes) {
  for (const Rule& rule : rules_in(kRoot / "dashboards/rules/recording.yaml")) {
    EXPECT_THAT(server().query(rule.expr), Not(IsEmpty())) << rule.name;
    EXPECT_THAT(server().query(rule.name), Not(IsEmpty())) << rule.name;
  }
}

// An alert that is silent because its series have another name would be silent for ever.
TEST_F(Prometheus, HasEverySeriesThatAnAlertReads) {
  for (const Rule& rule : rules_in(kRoot / "dashboards/rules/alerts.yaml")) {
    for (const Selector& selector : reads_of(rule.expr).selectors) {
      EXPECT_THAT(server().query(selector.text()), Not(IsEmpty()))
          << rule.name << ": " << selector.text();
    }
  }
}

TEST_F(Prometheus, ForgetsARunThatHasEnded) {
  const Ended ended = run_->drain();

  EXPECT_EQ(ended.code, 75) << ended.output;
  EXPECT_TRUE(wait_until([] { return server().query("softmoe_train_step").empty(); }));
  EXPECT_TRUE(wait_until([] { return instances_of("softmoe-files").empty(); }));
  EXPECT_THAT(instances_of("softmoe"), ElementsAre("watched/coordinator"));
}

TEST_F(Prometheus, EndsWhenAsked) {
  EXPECT_EQ(run_->end_prometheus().code, 0);
}

}  // namespace
}  // namespace softmoe::test
