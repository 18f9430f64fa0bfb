#pragma once

// The dashboards as they are committed.

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace softmoe::test {

/// An expression and where it stands.
struct Question {
  std::string place;  ///< "run_health: Loss: A"
  std::string expr;
};

/// The text of a file. @throws std::runtime_error if it cannot be read
[[nodiscard]] std::string text_of(const std::filesystem::path& path);

/// The dashboards in a folder, name -> JSON, in the order of their names.
[[nodiscard]] std::map<std::string, nlohmann::json> dashboards_in(
    const std::filesystem::path& folder);

/// Panels of a dashboard, those in collapsed rows too; rows are panels.
[[nodiscard]] std::vector<nlohmann::json> panels_of(const nlohmann::json& dashboard);

/// Everything that a dashboard asks Prometheus: targets of panels, then annotations.
[[nodiscard]] std::vector<Question> questions_of(const std::string& name,
                                                 const nlohmann::json& dashboard);

/// The alerts and recordings of a rule file.
struct Rule {
  std::string name;
  std::string expr;
  bool is_alert = false;
  std::map<std::string, std::string> labels;
  std::map<std::string, std::string> annotations;
};
[[nodiscard]] std::vector<Rule> rules_in(const std::filesystem::path& file);

/// The expression with values for variables, `$name` or `${name}`.
[[nodiscard]] std::string substituted(std::string expression,
                                      const std::map<std::string, std::string>& variables);

}  // namespace softmoe::test
