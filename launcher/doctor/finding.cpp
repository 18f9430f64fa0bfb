#include "launcher/doctor/finding.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace softmoe::launcher {

namespace {

std::int64_t count_of(std::span<const Finding> findings, Verdict verdict) {
  return std::count_if(findings.begin(), findings.end(),
                       [verdict](const Finding& finding) { return finding.verdict == verdict; });
}

}  // namespace

std::string_view name_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::ok:
      return "ok";
    case Verdict::warn:
      return "warn";
    case Verdict::fail:
      return "fail";
  }
  return "?";
}

std::string findings_text(std::span<const Finding> findings) {
  std::string text;
  for (const Finding& finding : findings) {
    text += fmt::format("{:<5} {:<18} {}{}\n", name_of(finding.verdict), finding.what,
                        finding.found, finding.cure.empty() ? "" : "\n      -> " + finding.cure);
  }
  return text + fmt::format("{} checks: {} ok, {} to look at, {} that would break a run\n",
                            findings.size(), count_of(findings, Verdict::ok),
                            count_of(findings, Verdict::warn), count_of(findings, Verdict::fail));
}

std::string findings_json(std::span<const Finding> findings) {
  nlohmann::json list = nlohmann::json::array();
  for (const Finding& finding : findings) {
    list.push_back({{"verdict", name_of(finding.verdict)},
                    {"what", finding.what},
                    {"found", finding.found},
                    {"cure", finding.cure}});
  }
  const nlohmann::json object = {{"findings", list},
                                 {"fail", count_of(findings, Verdict::fail)},
                                 {"warn", count_of(findings, Verdict::warn)}};
  // Names of hosts and files come from outside: bytes that are no UTF-8 must not end the report.
  return object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

bool has_failure(std::span<const Finding> findings) {
  return count_of(findings, Verdict::fail) > 0;
}

}  // namespace softmoe::launcher
