#include "tests/dashboards/metrics_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <regex>
#include <sstream>

namespace softmoe::test {

namespace {

using LabelsByName = std::map<std::string, std::set<std::string>>;

const std::set<std::string> kEverywhere = {"run", "rank", "job", "instance"};
// What Prometheus itself says.
const LabelsByName kOfPrometheus = {{"up", {}},
                                    {"ALERTS", {"alertname", "alertstate", "severity"}}};

std::vector<std::string> split(const std::string& text, char by) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, by);) {
    const auto begin = part.find_first_not_of(' ');
    const auto end = part.find_last_not_of(' ');
    parts.push_back(begin == std::string::npos ? "" : part.substr(begin, end - begin + 1));
  }
  return parts;
}

/// "Loss per token (kind: a, b; stage: c)" names values of two labels.
LabelsByName values_named_by(const std::string& meaning, const std::set<std::string>& labels) {
  LabelsByName values;
  const auto open = meaning.find('(');
  const auto close = meaning.find(')', open);
  if (open == std::string::npos || close == std::string::npos) return values;
  for (const std::string& part : split(meaning.substr(open + 1, close - open - 1), ';')) {
    const auto colon = part.find(':');
    if (colon == std::string::npos || !labels.contains(part.substr(0, colon))) continue;
    for (const std::string& value : split(part.substr(colon + 1), ',')) {
      values[part.substr(0, colon)].insert(value);
    }
  }
  return values;
}

/// The values that a matcher names: none where it is a variable or a real regular expression.
std::vector<std::string> values_of(const Matcher& matcher) {
  static const std::regex kAlternatives("[A-Za-z0-9_.]+(\\|[A-Za-z0-9_.]+)*");
  if (!std::regex_match(matcher.value, kAlternatives)) return {};
  return matcher.op.ends_with('~') ? split(matcher.value, '|') : std::vector{matcher.value};
}

/// The labels that a series may have; null if nobody makes it.
const std::set<std::string>* labels_of(const std::string& series, const ListedFamilies& families,
                                       const LabelsByName& recorded) {
  if (const auto own = kOfPrometheus.find(series); own != kOfPrometheus.end()) return &own->second;
  if (const auto rule = recorded.find(series); rule != recorded.end()) return &rule->second;
  const auto family = families.find(family_behind(series, families));
  return family == families.end() ? nullptr : &family->second.labels;
}

}  // namespace

ListedFamilies families_of(std::string_view page) {
  ListedFamilies families;
  std::istringstream lines{std::string(page)};
  const std::regex name("(softmoe|process)_[a-z0-9_]+");
  for (std::string line; std::getline(lines, line);) {
    const std::vector<std::string> cells = split(line, '|');
    if (cells.size() < 6 || !std::regex_match(cells[1], name)) continue;
    ListedFamily family{.kind = cells[2].at(0), .labels = {}, .values = {}};
    for (const std::string& label : split(cells[3], ',')) {
      if (!label.empty()) family.labels.insert(label);
    }
    family.values = values_named_by(cells[5], family.labels);
    families.emplace(cells[1], family);
  }
  return families;
}

std::string family_behind(const std::string& series, const ListedFamilies& families) {
  const auto family = families.find(series);
  if (family != families.end()) return family->second.kind == 'H' ? "" : series;
  for (const std::string suffix : {"_bucket", "_sum", "_count"}) {
    if (!series.ends_with(suffix)) continue;
    const auto histogram = families.find(series.substr(0, series.size() - suffix.size()));
    if (histogram != families.end() && histogram->second.kind == 'H') return histogram->first;
  }
  return "";
}

std::vector<std::string> against_metrics_page(const std::string& expression,
                                              const ListedFamilies& families,
                                              const LabelsByName& recorded) {
  std::vector<std::string> offenders;
  const Reads reads = reads_of(expression);
  std::set<std::string> known = kEverywhere;
  for (const Selector& selector : reads.selectors) {
    const std::set<std::string>* labels = labels_of(selector.metric, families, recorded);
    if (labels == nullptr) {
      offenders.push_back("nobody serves " + selector.metric);
      continue;
    }
    known.insert(labels->begin(), labels->end());
    if (selector.metric.ends_with("_bucket")) known.insert("le");
    const auto family = families.find(family_behind(selector.metric, families));
    for (const Matcher& matcher : selector.matchers) {
      if (!kEverywhere.contains(matcher.label) && !labels->contains(matcher.label)) {
        offenders.push_back(fmt::format("{} has no label {}", selector.metric, matcher.label));
      }
      if (family == families.end() || !family->second.values.contains(matcher.label)) continue;
      const std::set<std::string>& values = family->second.values.at(matcher.label);
      for (const std::string& value : values_of(matcher)) {
        if (values.contains(value)) continue;
        offenders.push_back(
            fmt::format("{} has no {}=\"{}\"", selector.metric, matcher.label, value));
      }
    }
  }
  for (const std::string& label : reads.labels) {
    if (!known.contains(label)) offenders.push_back("nothing has the label " + label);
  }
  return offenders;
}

}  // namespace softmoe::test
