#include "tests/dashboards/dashboard_file.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <fstream>
#include <sstream>
#include <stdexcept>

namespace softmoe::test {

using nlohmann::json;

namespace {

void add_panels(const json& panels, std::vector<json>& all) {
  for (const json& panel : panels) {
    all.push_back(panel);
    if (panel.contains("panels")) add_panels(panel["panels"], all);
  }
}

std::map<std::string, std::string> texts_in(const YAML::Node& map) {
  std::map<std::string, std::string> texts;
  for (const auto& entry : map) texts[entry.first.as<std::string>()] = entry.second.Scalar();
  return texts;
}

void replace_all(std::string& text, const std::string& what, const std::string& by) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size())) {
    text.replace(at, what.size(), by);
  }
}

}  // namespace

std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path.string());
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

std::map<std::string, json> dashboards_in(const std::filesystem::path& folder) {
  std::map<std::string, json> dashboards;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".json") continue;
    dashboards[entry.path().stem().string()] = json::parse(text_of(entry.path()));
  }
  return dashboards;
}

std::vector<json> panels_of(const json& dashboard) {
  std::vector<json> all;
  add_panels(dashboard.at("panels"), all);
  return all;
}

std::vector<Question> questions_of(const std::string& name, const json& dashboard) {
  std::vector<Question> questions;
  for (const json& panel : panels_of(dashboard)) {
    for (const json& target : panel.value("targets", json::array())) {
      questions.push_back(
          {.place = fmt::format("{}: {}: {}", name, panel["title"].get<std::string>(),
                                target["refId"].get<std::string>()),
           .expr = target["expr"].get<std::string>()});
    }
  }
  for (const json& annotation : dashboard.at("annotations").at("list")) {
    questions.push_back(
        {.place = fmt::format("{}: annotation: {}", name, annotation["name"].get<std::string>()),
         .expr = annotation["expr"].get<std::string>()});
  }
  return questions;
}

std::vector<Rule> rules_in(const std::filesystem::path& file) {
  std::vector<Rule> rules;
  for (const auto& group : YAML::Load(text_of(file))["groups"]) {
    for (const auto& rule : group["rules"]) {
      const bool is_alert = rule["alert"].IsDefined();
      rules.push_back({.name = rule[is_alert ? "alert" : "record"].as<std::string>(),
                       .expr = rule["expr"].as<std::string>(),
                       .is_alert = is_alert,
                       .labels = texts_in(rule["labels"]),
                       .annotations = texts_in(rule["annotations"])});
    }
  }
  return rules;
}

std::string substituted(std::string expression,
                        const std::map<std::string, std::string>& variables) {
  for (const auto& [name, value] : variables) {
    replace_all(expression, "${" + name + "}", value);
    replace_all(expression, "$" + name, value);
  }
  return expression;
}

}  // namespace softmoe::test
