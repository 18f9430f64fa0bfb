// The dashboards as they are committed: what anybody would import.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/dashboards/dashboard_file.h"
#include "tests/dashboards/lint_rules.h"
#include "tests/dashboards/metrics_page.h"
#include "tests/dashboards/tools.h"
#include "tests/support/temporary_directory.h"

namespace softmoe::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const fs::path kRoot = SOFTMOE_SOURCE_DIR;
constexpr std::size_t kMaxBytes = 200 * 1024;  // kubectl apply keeps a copy in an annotation

class Dashboards : public testing::Test {
 protected:
  const std::map<std::string, json> dashboards_ = dashboards_in(kRoot / "dashboards");
  const ListedFamilies families_ = families_of(text_of(kRoot / "docs/metrics.md"));
};

TEST_F(Dashboards, AreThree) {
  std::vector<std::string> names;
  for (const auto& [name, dashboard] : dashboards_) names.push_back(name);

  EXPECT_THAT(names, ElementsAre("expert_usage", "routing_and_budget", "run_health"));
}

TEST_F(Dashboards, AreWhatTheGeneratorMakesNow) {
  if (!has_tool(Tool::python)) return;
  const TemporaryDirectory folder;

  const Ended ended = run_tool(
      Tool::python, {(kRoot / "dashboards/generate.py").string(), "--to", folder.path().string()},
      folder.path());

  ASSERT_EQ(ended.code, 0) << ended.output;
  for (const auto& [name, dashboard] : dashboards_) {
    EXPECT_EQ(text_of(folder / (name + ".json")), text_of(kRoot / "dashboards" / (name + ".json")))
        << "run python3 dashboards/generate.py";
  }
}

TEST_F(Dashboards, PassTheLinter) {
  for (const auto& [name, dashboard] : dashboards_) {
    for (const Finding& finding : lint(dashboard)) {
      ADD_FAILURE() << name << ": " << finding.rule << ": " << finding.place << ": "
                    << finding.what;
    }
  }
}

TEST_F(Dashboards, CanBeImportedAndProvisionedAsTheyAre) {
  std::set<std::string> uids;
  for (const auto& [name, dashboard] : dashboards_) {
    SCOPED_TRACE(name);
    EXPECT_TRUE(dashboard.at("id").is_null());
    EXPECT_EQ(dashboard.at("schemaVersion"), 41);
    EXPECT_LE(dashboard.at("uid").get<std::string>().size(), 40U);
    EXPECT_TRUE(uids.insert(dashboard.at("uid")).second) << "a second dashboard has this uid";
    EXPECT_FALSE(dashboard.at("links").empty());
    EXPECT_LT(fs::file_size(kRoot / "dashboards" / (name + ".json")), kMaxBytes);
  }
}

TEST_F(Dashboards, HaveTheSameVariables) {
  for (const auto& [name, dashboard] : dashboards_) {
    std::vector<std::string> variables;
    for (const json& variable : dashboard["templating"]["list"]) {
      variables.push_back(variable.at("name"));
    }

    EXPECT_THAT(variables, ElementsAre("datasource", "job", "instance", "run", "layer")) << name;
  }
}

TEST_F(Dashboards, HavePanelsThatNeedNoAngular) {
  const std::set<std::string> kinds = {"row", "stat", "timeseries", "heatmap", "table"};
  for (const auto& [name, dashboard] : dashboards_) {
    for (const json& panel : panels_of(dashboard)) {
      EXPECT_TRUE(kinds.contains(panel.at("type"))) << name << ": " << panel.at("type");
    }
  }
}

TEST_F(Dashboards, HavePanelsWithIdsOfTheirOwn) {
  for (const auto& [name, dashboard] : dashboards_) {
    std::set<int> ids;
    for (const json& panel : panels_of(dashboard)) {
      EXPECT_TRUE(ids.insert(panel.at("id").get<int>()).second) << name << ": " << panel["title"];
    }
  }
}

TEST_F(Dashboards, HavePanelsThatDoNotOverlap) {
  for (const auto& [name, dashboard] : dashboards_) {
    std::map<std::pair<int, int>, std::string> owner_of;
    for (const json& panel : panels_of(dashboard)) {
      const json& place = panel.at("gridPos");
      EXPECT_GE(place["x"], 0);
      EXPECT_LE(place["x"].get<int>() + place["w"].get<int>(), 24) << panel["title"];
      for (int x = place["x"]; x < place["x"].get<int>() + place["w"].get<int>(); ++x) {
        for (int y = place["y"]; y < place["y"].get<int>() + place["h"].get<int>(); ++y) {
          const auto [other, is_free] = owner_of.try_emplace({x, y}, panel["title"]);
          ASSERT_TRUE(is_free) << name << ": " << panel["title"] << " over " << other->second;
        }
      }
    }
  }
}

TEST_F(Dashboards, AskOnlyForWhatTheMetricsPagePromises) {
  for (const auto& [name, dashboard] : dashboards_) {
    for (const Question& question : questions_of(name, dashboard)) {
      // Rules are an extra that somebody may not have loaded.
      EXPECT_THAT(against_metrics_page(question.expr, families_, {}), IsEmpty()) << question.place;
    }
  }
}

TEST_F(Dashboards, ShowEveryFamilyOfThePage) {
  std::set<std::string> shown;
  for (const auto& [name, dashboard] : dashboards_) {
    for (const Question& question : questions_of(name, dashboard)) {
      for (const Selector& selector : reads_of(question.expr).selectors) {
        shown.insert(family_behind(selector.metric, families_));
      }
    }
  }
  // The number of ranks is in the table of softmoe_run_info, too.
  shown.insert("softmoe_world_size");

  ASSERT_GT(families_.size(), 80U);
  for (const auto& [family, listed] : families_) {
    EXPECT_TRUE(shown.contains(family)) << family << " is on no panel";
  }
}

TEST_F(Dashboards, SayWhichLevelOfDetailPanelsOfExpertsNeed) {
  for (const json& panel : panels_of(dashboards_.at("expert_usage"))) {
    for (const json& target : panel.value("targets", json::array())) {
      const std::string expr = target["expr"];
      const std::string description = panel["description"];
      const std::string level =
          expr.find("softmoe_expert_load") != std::string::npos ? "full"
          : expr.find("_hot_") != std::string::npos || expr.find("_cold_") != std::string::npos
              ? "topk"
          : expr.find("layer_expert_load") != std::string::npos ? "buckets"
          : expr.find("_load_") != std::string::npos            ? "summary"
                                                                : "";
      EXPECT_NE(description.find(level), std::string::npos) << panel["title"];
    }
  }
}

}  // namespace
}  // namespace softmoe::test
