#pragma once

// The seventeen rules that Grafana's dashboard linter checks, as functions over a dashboard.

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace softmoe::test {

/// What breaks a rule.
struct Finding {
  std::string rule;
  std::string place;  ///< panel and target, or variable; empty: the dashboard
  std::string what;
};

/// Names of the rules, as the linter has them without `-rule`.
[[nodiscard]] const std::vector<std::string>& lint_rules();

/// All findings of all rules. No exceptions: a dashboard that needs one is better changed.
[[nodiscard]] std::vector<Finding> lint(const nlohmann::json& dashboard);

}  // namespace softmoe::test
