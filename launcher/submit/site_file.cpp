#include "launcher/submit/site_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <regex>
#include <sstream>

#include "runtime/base/errors.h"
#include "runtime/config/suggest.h"

namespace softmoe::launcher {

namespace {

const std::vector<std::string>& known_names() {
  static const std::vector<std::string> kNames = {
      "SOFTMOE_PARTITION",      "SOFTMOE_ACCOUNT",        "SOFTMOE_QOS",
      "SOFTMOE_TIME",           "SOFTMOE_SBATCH_FLAGS",   "SOFTMOE_RANKS_PER_NODE",
      "SOFTMOE_GPUS_PER_NODE",  "SOFTMOE_SETUP",          "SOFTMOE_MODULES",
      "SOFTMOE_PATH",           "SOFTMOE_PROGRAM",        "SOFTMOE_WRAP",
      "SOFTMOE_INTERFACE",      "SOFTMOE_LAUNCHER",       "SOFTMOE_LAUNCHER_FLAGS",
      "SOFTMOE_MAX_RESTARTS",   "SOFTMOE_SAVE_SECONDS",   "SOFTMOE_RUNS",
      "SOFTMOE_METRICS_LISTEN", "SOFTMOE_TARGETS_FOLDER", "SOFTMOE_COORDINATOR_SETTINGS"};
  return kNames;
}

/// The value and what may follow it. A shell would do something with anything else.
const std::regex& assignment() {
  static const std::regex kPattern(
      R"re(^\s*([A-Za-z_][A-Za-z0-9_]*)=("[^"$`\\]*"|'[^']*'|[A-Za-z0-9_%+,./:@=-]*)(\s+#.*|\s*)$)re");
  return kPattern;
}

/// What is wrong with a name.
std::optional<std::string> fault_of(const std::string& name) {
  const std::vector<std::string>& names = known_names();
  if (std::find(names.begin(), names.end(), name) != names.end()) return std::nullopt;
  const auto near = config::nearest(name, names);
  return fmt::format("no site value is called {}{}", name,
                     near ? fmt::format("; did you mean {}?", *near) : "");
}

std::string unquoted(const std::string& value) {
  const bool is_quoted = !value.empty() && (value.front() == '"' || value.front() == '\'');
  return is_quoted ? value.substr(1, value.size() - 2) : value;
}

}  // namespace

std::string SiteValues::get(const std::string& name) const {
  const auto found = values.find(name);
  return found == values.end() ? "" : found->second;
}

std::vector<std::string> SiteValues::words(const std::string& name) const {
  std::istringstream text(get(name));
  std::vector<std::string> words;
  for (std::string word; text >> word;) words.push_back(word);
  return words;
}

int SiteValues::number(const std::string& name, int otherwise, int least) const {
  const std::string text = get(name);
  if (text.empty()) return otherwise;
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < least) {
    throw ConfigError(
        fmt::format("{}: {} is '{}': give a whole number of at least {}", file, name, text, least));
  }
  return number;
}

SiteValues parse_site_file(std::string_view text, const std::string& file) {
  SiteValues site;
  site.file = file;
  std::string faults;
  std::istringstream lines{std::string(text)};
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    const std::size_t first = line.find_first_not_of(" \t");
    if (first == std::string::npos || line[first] == '#') continue;
    std::smatch match;
    std::optional<std::string> fault;
    if (std::regex_match(line, match, assignment())) {
      fault = fault_of(match[1].str());
      site.values[match[1].str()] = unquoted(match[2].str());
    } else {
      fault = fmt::format(
          "'{}' is not NAME=value: write several words in quotes, and put what a shell has to do "
          "into the file that SOFTMOE_SETUP names",
          line);
    }
    if (fault)
      faults += fmt::format("{}{}:{}: {}", faults.empty() ? "" : "\n", file, number, *fault);
  }
  if (!faults.empty()) throw ConfigError(faults);
  return site;
}

}  // namespace softmoe::launcher
