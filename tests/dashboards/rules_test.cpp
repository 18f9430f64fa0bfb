// Rules and the example configuration, by Prometheus' own tool, and what the tool does not know.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <fstream>
#include <regex>
#include <set>

#include "tests/dashboards/dashboard_file.h"
#include "tests/dashboards/metrics_page.h"
#include "tests/dashboards/tools.h"
#include "tests/support/temporary_directory.h"

namespace softmoe::test {
namespace {

namespace fs = std::filesystem;
using ::testing::AnyOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::Not;

const fs::path kFolder = fs::path(SOFTMOE_SOURCE_DIR) / "dashboards";

std::vector<fs::path> unit_tests() {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(kFolder / "rules/tests")) {
    files.push_back(entry.path());
  }
  return files;
}

class Rules : public testing::Test {
 protected:
  const std::vector<Rule> recordings_ = rules_in(kFolder / "rules/recording.yaml");
  const std::vector<Rule> alerts_ = rules_in(kFolder / "rules/alerts.yaml");
  const ListedFamilies families_ =
      families_of(text_of(fs::path(SOFTMOE_SOURCE_DIR) / "docs/metrics.md"));

  /// Names that recordings make, with the labels that they keep.
  [[nodiscard]] std::map<std::string, std::set<std::string>> recorded() const {
    std::map<std::string, std::set<std::string>> names;
    for (const Rule& rule : recordings_) names[rule.name] = reads_of(rule.expr).labels;
    return names;
  }
};

TEST_F(Rules, AreAcceptedByPromtool) {
  if (!has_tool(Tool::promtool)) return;

  const Ended ended = run_tool(
      Tool::promtool, {"check", "rules", "rules/recording.yaml", "rules/alerts.yaml"}, kFolder);

  EXPECT_EQ(ended.code, 0) << ended.output;
}

TEST_F(Rules, PassTheirOwnTests) {
  if (!has_tool(Tool::promtool)) return;
  for (const fs::path& file : unit_tests()) {
    const Ended ended =
        run_tool(Tool::promtool, {"test", "rules", file.string()}, file.parent_path());

    EXPECT_EQ(ended.code, 0) << ended.output;
  }
}

TEST_F(Rules, ComeWithAnExampleThatPromtoolAccepts) {
  if (!has_tool(Tool::promtool)) return;

  const Ended ended = run_tool(Tool::promtool, {"check", "config", "prometheus.yaml"}, kFolder);

  EXPECT_EQ(ended.code, 0) << ended.output;
  EXPECT_THAT(ended.output, HasSubstr("2 rule files found"));
}

// What the tests' own reader of PromQL does not see, Prometheus' parser does.
TEST_F(Rules, AndDashboardsAreInPrometheusLanguage) {
  if (!has_tool(Tool::promtool)) return;
  const TemporaryDirectory folder;
  YAML::Node rules;
  for (const auto& [name, dashboard] : dashboards_in(kFolder)) {
    for (const Question& question : questions_of(name, dashboard)) {
      YAML::Node rule;
      rule["record"] = fmt::format("question{}", rules.size());
      rule["expr"] = substituted(question.expr, {{"__rate_interval", "1m"}});
      rules.push_back(rule);
    }
  }
  YAML::Node group;
  group["name"] = "questions";
  group["rules"] = rules;
  YAML::Node file;
  file["groups"].push_back(group);
  std::ofstream(folder / "questions.yaml") << file;

  const Ended ended = run_tool(Tool::promtool, {"check", "rules", "questions.yaml"}, folder.path());

  EXPECT_GT(rules.size(), 100U);
  EXPECT_EQ(ended.code, 0) << ended.output;
}

TEST_F(Rules, ReadOnlyWhatIsServedOrRecorded) {
  for (const std::vector<Rule>& rules : {recordings_, alerts_}) {
    for (const Rule& rule : rules) {
      EXPECT_THAT(against_metrics_page(rule.expr, families_, recorded()), IsEmpty()) << rule.name;
    }
  }
}

TEST_F(Rules, HaveNamesOfOneKind) {
  for (const Rule& rule : recordings_) {
    EXPECT_FALSE(rule.is_alert) << rule.name;
    EXPECT_THAT(rule.name, MatchesRegex("softmoe:[a-z0-9_]+:[a-z0-9]+"));
  }
  for (const Rule& rule : alerts_) {
    EXPECT_TRUE(rule.is_alert) << rule.name;
    EXPECT_THAT(rule.name, MatchesRegex("Softmoe([A-Z][a-z]+)+"));
  }
}

TEST_F(Rules, TellWhoIsWokenWhatHappenedAndWhereToLook) {
  std::set<std::string> uids;
  for (const auto& [name, dashboard] : dashboards_in(kFolder)) uids.insert(dashboard["uid"]);
  const std::regex link("/d/([a-z-]+)(\\?.*)?");
  for (const Rule& rule : alerts_) {
    SCOPED_TRACE(rule.name);
    EXPECT_THAT(rule.labels.at("severity"), AnyOf("warning", "critical"));
    EXPECT_THAT(rule.annotations.at("summary"), Not(IsEmpty()));
    EXPECT_THAT(rule.annotations.at("description"), Not(IsEmpty()));
    std::smatch parts;
    const std::string& target = rule.annotations.at("dashboard");
    ASSERT_TRUE(std::regex_match(target, parts, link)) << target;
    EXPECT_TRUE(uids.contains(parts[1].str())) << target;
  }
}

/// Alerts that the unit tests wait for, and those that they see silent.
std::pair<std::set<std::string>, std::set<std::string>> tested_alerts() {
  std::set<std::string> firing;
  std::set<std::string> silent;
  for (const fs::path& file : unit_tests()) {
    for (const auto& test : YAML::Load(text_of(file))["tests"]) {
      for (const auto& expected : test["alert_rule_test"]) {
        const bool fires = expected["exp_alerts"].IsDefined() && expected["exp_alerts"].size() > 0;
        (fires ? firing : silent).insert(expected["alertname"].as<std::string>());
      }
    }
  }
  return {firing, silent};
}

// An alert that is expected is compared whole, so a series beside it that must stay silent does.
TEST_F(Rules, HaveATestOfEachAlert) {
  const auto [firing, silent] = tested_alerts();
  std::set<std::string> names;
  for (const Rule& rule : alerts_) names.insert(rule.name);

  EXPECT_EQ(firing, names);
  for (const std::string& name : silent) EXPECT_TRUE(names.contains(name)) << name;
}

TEST_F(Rules, HaveATestOfEachRecordingOrAnotherRuleThatReadsIt) {
  std::string texts;
  for (const fs::path& file : unit_tests()) texts += text_of(file);
  for (const std::vector<Rule>& rules : {recordings_, alerts_}) {
    for (const Rule& rule : rules) texts += "expr: " + rule.expr + "\n";
  }
  for (const Rule& rule : recordings_) {
    EXPECT_THAT(texts, ContainsRegex("expr: .*" + rule.name)) << rule.name;
  }
}

}  // namespace
}  // namespace softmoe::test
