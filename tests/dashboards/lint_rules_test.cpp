// Each rule of the linter finds the mistake that it is for, and nothing else.

#include "tests/dashboards/lint_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <set>

namespace softmoe::test {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// A dashboard with nothing to find.
json good_dashboard() {
  return json::parse(R"JSON({
    "editable": false,
    "templating": {"list": [
      {"name": "datasource", "type": "datasource", "label": "Data source", "query": "prometheus"},
      {"name": "job", "type": "query", "label": "Job", "multi": true, "allValue": ".+", "refresh": 2,
       "datasource": {"uid": "${datasource}"}, "query": {"query": "label_values(up, job)"}},
      {"name": "instance", "type": "query", "label": "Instance", "multi": true, "allValue": ".+",
       "refresh": 2, "datasource": {"uid": "${datasource}"},
       "query": {"query": "label_values(up{job=~\"$job\"}, instance)"}}]},
    "panels": [
      {"type": "row", "title": "Row"},
      {"type": "timeseries", "title": "Title", "description": "Words.",
       "datasource": {"type": "prometheus", "uid": "${datasource}"},
       "fieldConfig": {"defaults": {"unit": "s"}},
       "targets": [{"refId": "A", "datasource": {"type": "prometheus", "uid": "${datasource}"},
         "expr": "rate(x_total{job=~\"$job\", instance=~\"$instance\"}[$__rate_interval])"}]}]
  })JSON");
}

std::set<std::string> found_in(const json& dashboard) {
  std::set<std::string> rules;
  for (const Finding& finding : lint(dashboard)) rules.insert(finding.rule);
  return rules;
}

std::set<std::string> found_after(const std::function<void(json&)>& plant) {
  json dashboard = good_dashboard();
  plant(dashboard);
  return found_in(dashboard);
}

json& job(json& dashboard) {
  return dashboard["templating"]["list"][1];
}
json& instance(json& dashboard) {
  return dashboard["templating"]["list"][2];
}
json& panel(json& dashboard) {
  return dashboard["panels"][1];
}
json& target(json& dashboard) {
  return panel(dashboard)["targets"][0];
}

TEST(LintRules, AreSeventeenAndFindNothingInAGoodDashboard) {
  EXPECT_EQ(lint_rules().size(), 17U);
  EXPECT_THAT(found_in(good_dashboard()), IsEmpty());
}

TEST(LintRules, FindADataSourceThatIsNotChosen) {
  const auto rule = ElementsAre("template-datasource");
  EXPECT_THAT(found_after([](json& d) { d["templating"]["list"].erase(0); }), rule);
  EXPECT_THAT(found_after([](json& d) { d["templating"]["list"][0]["name"] = "source"; }), rule);
  EXPECT_THAT(found_after([](json& d) { d["templating"]["list"][0]["query"] = "loki"; }), rule);
  EXPECT_THAT(
      found_after([](json& d) { d["templating"]["list"].push_back(d["templating"]["list"][0]); }),
      rule);
}

TEST(LintRules, FindVariablesThatSelectNoPages) {
  const auto of_job = ElementsAre("template-job");
  EXPECT_THAT(found_after([](json& d) { job(d)["name"] = "work"; }), of_job);
  EXPECT_THAT(found_after([](json& d) { job(d)["multi"] = false; }), of_job);
  EXPECT_THAT(found_after([](json& d) { job(d)["allValue"] = ".*"; }), of_job);
  EXPECT_THAT(found_after([](json& d) { job(d)["label"] = "job"; }), of_job);
  EXPECT_THAT(found_after([](json& d) { job(d)["datasource"]["uid"] = "mine"; }), of_job);
  const auto of_instance = ElementsAre("template-instance");
  EXPECT_THAT(found_after([](json& d) { instance(d)["multi"] = false; }), of_instance);
  EXPECT_THAT(found_after([](json& d) { d["templating"]["list"].erase(2); }), of_instance);
}

TEST(LintRules, FindVariablesThatAskNonsenseOrOnce) {
  const auto promql = ElementsAre("template-label-promql");
  EXPECT_THAT(found_after([](json& d) { job(d)["query"]["query"] = "label_values(up{, job)"; }),
              promql);
  EXPECT_THAT(found_after([](json& d) { job(d)["query"]["query"] = "up"; }), promql);
  EXPECT_THAT(found_after([](json& d) { job(d)["refresh"] = 1; }),
              ElementsAre("template-on-time-change-reload"));
}

TEST(LintRules, FindADashboardThatCanBeEdited) {
  EXPECT_THAT(found_after([](json& d) { d["editable"] = true; }),
              ElementsAre("uneditable-dashboard"));
  EXPECT_THAT(found_after([](json& d) { d.erase("editable"); }),
              ElementsAre("uneditable-dashboard"));
}

TEST(LintRules, FindPanelsThatSayTooLittle) {
  EXPECT_THAT(found_after([](json& d) { panel(d)["datasource"]["uid"] = "mine"; }),
              ElementsAre("panel-datasource"));
  EXPECT_THAT(found_after([](json& d) { panel(d)["title"] = ""; }),
              ElementsAre("panel-title-description"));
  EXPECT_THAT(found_after([](json& d) { panel(d).erase("description"); }),
              ElementsAre("panel-title-description"));
  EXPECT_THAT(found_after([](json& d) { panel(d)["fieldConfig"]["defaults"]["unit"] = "seconds"; }),
              ElementsAre("panel-units"));
  EXPECT_THAT(found_after([](json& d) { panel(d).erase("fieldConfig"); }),
              ElementsAre("panel-units"));
  EXPECT_THAT(found_after([](json& d) { panel(d)["targets"] = json::array(); }),
              ElementsAre("panel-no-targets"));
}

TEST(LintRules, LookIntoCollapsedRows) {
  EXPECT_THAT(found_after([](json& d) {
                json hidden = panel(d);
                hidden["title"] = "";
                d["panels"][0]["panels"] = json::array({hidden});
              }),
              ElementsAre("panel-title-description"));
}

TEST(LintRules, FindExpressionsThatAreNone) {
  EXPECT_THAT(found_after([](json& d) { target(d)["expr"] = "rate(x_total"; }),
              ElementsAre("target-promql"));
  EXPECT_THAT(found_after([](json& d) { target(d)["expr"] = ""; }), ElementsAre("target-promql"));
}

TEST(LintRules, FindFixedRangesAndCountersAsTheyAre) {
  const std::string labels = R"({job=~"$job", instance=~"$instance"})";
  EXPECT_THAT(found_after([&](json& d) { target(d)["expr"] = "rate(x_total" + labels + "[5m])"; }),
              ElementsAre("target-rate-interval"));
  EXPECT_THAT(
      found_after([&](json& d) { target(d)["expr"] = "sum(increase(x_total" + labels + "[1h]))"; }),
      IsEmpty());
  EXPECT_THAT(found_after([&](json& d) { target(d)["expr"] = "sum(x_total" + labels + ")"; }),
              ElementsAre("target-counter-agg"));
}

TEST(LintRules, FindExpressionsThatReadAllJobsOrInstances) {
  EXPECT_THAT(found_after([](json& d) { target(d)["expr"] = R"(max(x{instance=~"$instance"}))"; }),
              ElementsAre("target-job"));
  EXPECT_THAT(
      found_after([](json& d) { target(d)["expr"] = R"(x{job=~"$job", instance="$instance"})"; }),
      ElementsAre("target-instance"));
  // The second of two, too.
  EXPECT_THAT(found_after([](json& d) {
                target(d)["expr"] = R"(x{job=~"$job", instance=~"$instance"} / y)";
              }),
              ElementsAre("target-instance", "target-job"));
}

TEST(LintRules, FindLogsThatAreAskedForWrongly) {
  const auto ask_loki = [](const std::string& expr) {
    return found_after([&](json& d) {
      target(d)["datasource"]["type"] = "loki";
      target(d)["expr"] = expr;
    });
  };
  EXPECT_THAT(ask_loki(R"(count_over_time({job="x"}[$__auto]))"), IsEmpty());
  EXPECT_THAT(ask_loki("rate"), ElementsAre("target-logql"));
  EXPECT_THAT(ask_loki(R"(count_over_time({job="x"}[5m]))"), ElementsAre("target-logql-auto"));
}

}  // namespace
}  // namespace softmoe::test
