#include "tests/dashboards/lint_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <regex>
#include <set>
#include <stdexcept>
#include <utility>

#include "tests/dashboards/dashboard_file.h"
#include "tests/dashboards/promql.h"

namespace softmoe::test {

using nlohmann::json;

namespace {

using Findings = std::vector<Finding>;
using Problems = std::vector<std::string>;

// Units of Grafana that these dashboards may choose from; the linter's list is longer.
const std::set<std::string> kUnits = {
    "none",   "string", "short",         "percent",         "percentunit",
    "sci",    "locale", "flops",         "bytes",           "decbytes",
    "binBps", "Bps",    "dateTimeAsIso", "dateTimeFromNow", "s",
    "ms",     "hertz",  "dtdurations",   "clocks",          "cps",
    "ops",    "reqps",  "bool",          "bool_yes_no",     "bool_on_off"};
const std::set<std::string> kPanelsWithUnits = {"stat",  "singlestat", "graph",
                                                "table", "timeseries", "gauge"};
const std::set<std::string> kPanelsWithoutQueries = {"row", "text", "dashlist"};
const std::set<std::string> kRates = {"rate", "irate"};
const std::set<std::string> kOfCounters = {"rate", "irate", "increase"};

std::string text(const json& object, const char* key) {
  return object.contains(key) && object[key].is_string() ? object[key].get<std::string>() : "";
}

std::string data_source(const json& object) {
  return object.contains("datasource") ? text(object["datasource"], "uid") : "";
}

bool has_queries(const json& panel) {
  return !kPanelsWithoutQueries.contains(text(panel, "type"));
}

json variables_of(const json& dashboard) {
  return dashboard.value("templating", json::object()).value("list", json::array());
}

json variable(const json& dashboard, const std::string& name) {
  for (const json& candidate : variables_of(dashboard)) {
    if (text(candidate, "name") == name) return candidate;
  }
  return nullptr;
}

std::string query_of(const json& variable) {
  if (!variable.contains("query")) return "";
  return variable["query"].is_string() ? text(variable, "query") : text(variable["query"], "query");
}

bool is_of_loki(const json& target) {
  return target.contains("datasource") && text(target["datasource"], "type") == "loki";
}

/// The rule for variables that select pages: job and instance.
Problems page_variable(const json& dashboard, const std::string& name, const std::string& label) {
  const json found = variable(dashboard, name);
  if (found.is_null()) return {"no variable " + name};
  Problems problems;
  if (text(found, "type") != "query") problems.push_back(name + " is no query");
  if (data_source(found) != "${datasource}") problems.push_back(name + " has another data source");
  if (!found.value("multi", false)) problems.push_back(name + " takes one value only");
  if (text(found, "allValue") != ".+") problems.push_back(name + " has another allValue than .+");
  if (text(found, "label") != label) problems.push_back(name + " is not labelled " + label);
  return problems;
}

Problems template_datasource(const json& dashboard) {
  Problems problems;
  int count = 0;
  for (const json& candidate : variables_of(dashboard)) {
    if (text(candidate, "type") != "datasource") continue;
    ++count;
    if (text(candidate, "name") != "datasource") problems.push_back("its name is not datasource");
    if (text(candidate, "label") != "Data source") problems.push_back("it has another label");
    if (query_of(candidate) != "prometheus") problems.push_back("it is not one of Prometheus");
  }
  if (count != 1) problems.push_back(fmt::format("{} data source variables", count));
  return problems;
}

Problems template_label_promql(const json& dashboard) {
  static const std::regex kShape(R"(label_values\((.+), *[a-zA-Z_]\w*\))");
  Problems problems;
  for (const json& candidate : variables_of(dashboard)) {
    if (text(candidate, "type") != "query") continue;
    std::smatch parts;
    const std::string query = query_of(candidate);
    try {
      if (!std::regex_match(query, parts, kShape)) throw std::invalid_argument("no label_values");
      (void)reads_of(parts[1].str());
    } catch (const std::invalid_argument& error) {
      problems.push_back(text(candidate, "name") + ": " + error.what());
    }
  }
  return problems;
}

Problems template_on_time_change_reload(const json& dashboard) {
  Problems problems;
  for (const json& candidate : variables_of(dashboard)) {
    if (text(candidate, "type") == "query" && candidate.value("refresh", 0) != 2) {
      problems.push_back(text(candidate, "name") + " is not read again when the time changes");
    }
  }
  return problems;
}

Problems uneditable_dashboard(const json& dashboard) {
  if (dashboard.value("editable", true)) return {"it can be edited where nobody keeps the edit"};
  return {};
}

Problems panel_datasource(const json& panel) {
  if (!has_queries(panel) || data_source(panel) == "${datasource}") return {};
  return {"its data source is not the variable's"};
}

Problems panel_title_description(const json& panel) {
  if (text(panel, "type") == "row") return {};
  Problems problems;
  if (text(panel, "title").empty()) problems.emplace_back("no title");
  if (text(panel, "description").empty()) problems.emplace_back("no description");
  return problems;
}

Problems panel_units(const json& panel) {
  if (!kPanelsWithUnits.contains(text(panel, "type"))) return {};
  const std::string unit =
      text(panel.value("fieldConfig", json::object()).value("defaults", json::object()), "unit");
  if (kUnits.contains(unit)) return {};
  return {fmt::format("no unit: '{}'", unit)};
}

Problems panel_no_targets(const json& panel) {
  if (!has_queries(panel) || !panel.value("targets", json::array()).empty()) return {};
  return {"it asks nothing"};
}

/// Selectors of a target; none if it is Loki's, or no PromQL, which another rule finds.
std::vector<Selector> selectors_of(const json& target) {
  if (is_of_loki(target)) return {};
  try {
    return reads_of(text(target, "expr")).selectors;
  } catch (const std::invalid_argument&) {
    return {};
  }
}

Problems target_promql(const json& target) {
  if (is_of_loki(target)) return {};
  try {
    (void)reads_of(text(target, "expr"));
  } catch (const std::invalid_argument& error) {
    return {error.what()};
  }
  return {};
}

Problems target_rate_interval(const json& target) {
  Problems problems;
  for (const Selector& selector : selectors_of(target)) {
    if (!kRates.contains(selector.function) || selector.range == "$__rate_interval") continue;
    problems.push_back(selector.metric + "[" + selector.range + "]");
  }
  return problems;
}

Problems without_matcher(const json& target, const std::string& label) {
  Problems problems;
  for (const Selector& selector : selectors_of(target)) {
    const bool has_it = std::any_of(
        selector.matchers.begin(), selector.matchers.end(), [&](const Matcher& matcher) {
          return matcher.label == label && matcher.op == "=~" && matcher.value == "$" + label;
        });
    if (!has_it)
      problems.push_back(fmt::format("{} without {}=~\"${}\"", selector.metric, label, label));
  }
  return problems;
}

Problems target_counter_agg(const json& target) {
  Problems problems;
  for (const Selector& selector : selectors_of(target)) {
    if (selector.metric.ends_with("_total") && !kOfCounters.contains(selector.function)) {
      problems.push_back(selector.metric + " outside rate, irate and increase");
    }
  }
  return problems;
}

Problems target_logql(const json& target) {
  static const std::regex kStream(R"([^{}]*\{[^{}]*=[^{}]*\}[^{}]*)");
  if (!is_of_loki(target) || std::regex_match(text(target, "expr"), kStream)) return {};
  return {"no selector of a stream of logs"};
}

Problems target_logql_auto(const json& target) {
  const std::string expr = text(target, "expr");
  if (!is_of_loki(target) || expr.find('[') == std::string::npos) return {};
  if (expr.find("[$__auto]") != std::string::npos) return {};
  return {"a range of logs other than $__auto"};
}

using Check = std::function<Problems(const json&)>;
enum class Of : std::uint8_t { dashboard, panel, target };
struct LintRule {
  std::string name;
  Of of;
  Check check;
};

const std::vector<LintRule>& rules() {
  static const std::vector<LintRule> kRules = {
      {"template-datasource", Of::dashboard, template_datasource},
      {"template-job", Of::dashboard, [](const json& d) { return page_variable(d, "job", "Job"); }},
      {"template-instance", Of::dashboard,
       [](const json& d) { return page_variable(d, "instance", "Instance"); }},
      {"template-label-promql", Of::dashboard, template_label_promql},
      {"template-on-time-change-reload", Of::dashboard, template_on_time_change_reload},
      {"uneditable-dashboard", Of::dashboard, uneditable_dashboard},
      {"panel-datasource", Of::panel, panel_datasource},
      {"panel-title-description", Of::panel, panel_title_description},
      {"panel-units", Of::panel, panel_units},
      {"panel-no-targets", Of::panel, panel_no_targets},
      {"target-promql", Of::target, target_promql},
      {"target-rate-interval", Of::target, target_rate_interval},
      {"target-job", Of::target, [](const json& t) { return without_matcher(t, "job"); }},
      {"target-instance", Of::target, [](const json& t) { return without_matcher(t, "instance"); }},
      {"target-counter-agg", Of::target, target_counter_agg},
      {"target-logql", Of::target, target_logql},
      {"target-logql-auto", Of::target, target_logql_auto},
  };
  return kRules;
}

/// The parts of a dashboard that a rule is about, with their places.
std::vector<std::pair<std::string, json>> parts_of(const json& dashboard, Of of) {
  if (of == Of::dashboard) return {{"", dashboard}};
  std::vector<std::pair<std::string, json>> parts;
  for (const json& panel : panels_of(dashboard)) {
    if (of == Of::panel) parts.emplace_back(text(panel, "title"), panel);
    if (of == Of::panel) continue;
    for (const json& target : panel.value("targets", json::array())) {
      parts.emplace_back(text(panel, "title") + ": " + text(target, "refId"), target);
    }
  }
  return parts;
}

}  // namespace

const std::vector<std::string>& lint_rules() {
  static const std::vector<std::string> kNames = [] {
    std::vector<std::string> names;
    for (const LintRule& rule : rules()) names.push_back(rule.name);
    return names;
  }();
  return kNames;
}

Findings lint(const json& dashboard) {
  Findings findings;
  for (const LintRule& rule : rules()) {
    for (const auto& [place, part] : parts_of(dashboard, rule.of)) {
      for (const std::string& what : rule.check(part)) findings.push_back({rule.name, place, what});
    }
  }
  return findings;
}

}  // namespace softmoe::test
