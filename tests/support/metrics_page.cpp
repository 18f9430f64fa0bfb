#include "tests/support/metrics_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <numeric>
#include <regex>
#include <sstream>
#include <stdexcept>

namespace softmoe::test {

namespace {

PageSeries parse_series(const std::string& line) {
  static const std::regex kLine(R"(([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(.*)\})? (\S+))");
  static const std::regex kLabel(R"re(([a-zA-Z_][a-zA-Z0-9_]*)="([^"]*)",?)re");
  std::smatch match;
  if (!std::regex_match(line, match, kLine)) throw std::runtime_error("no series: " + line);
  PageSeries series{.name = match[1], .value = std::stod(match[4])};
  const std::string labels = match[3];
  for (std::sregex_iterator label(labels.begin(), labels.end(), kLabel), end; label != end;
       ++label) {
    series.labels[(*label)[1]] = (*label)[2];
  }
  return series;
}

/// The words of "# TYPE name rest".
std::pair<std::string, std::string> name_and_rest(const std::string& line) {
  const std::size_t begin = std::string("# TYPE ").size();
  const std::size_t end = line.find(' ', begin);
  return {line.substr(begin, end - begin),
          end == std::string::npos ? std::string() : line.substr(end + 1)};
}

std::string trimmed(const std::string& text) {
  const std::size_t begin = text.find_first_not_of(' ');
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(' ') - begin + 1);
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(trimmed(part));
  return parts;
}

}  // namespace

MetricsPage::MetricsPage(const std::string& text) {
  std::istringstream lines(text);
  PageFamily* family = nullptr;
  for (std::string line; std::getline(lines, line);) {
    if (line.empty()) continue;
    if (line.starts_with("# HELP ")) {
      const auto [name, help] = name_and_rest(line);
      family = &families_[name];
      family->help = help;
    } else if (line.starts_with("# TYPE ")) {
      const auto [name, type] = name_and_rest(line);
      family = &families_[name];
      family->type = type;
    } else if (family == nullptr) {
      throw std::runtime_error("a series without a family: " + line);
    } else {
      family->series.push_back(parse_series(line));
    }
  }
}

int MetricsPage::num_series() const {
  return std::accumulate(families_.begin(), families_.end(), 0, [](int sum, const auto& family) {
    return sum + static_cast<int>(family.second.series.size());
  });
}

std::vector<double> MetricsPage::values(const std::string& name,
                                        const std::map<std::string, std::string>& labels) const {
  std::vector<double> values;
  for (const auto& [_, family] : families_) {
    for (const PageSeries& series : family.series) {
      const bool fits =
          series.name == name && std::all_of(labels.begin(), labels.end(), [&](const auto& label) {
            const auto found = series.labels.find(label.first);
            return found != series.labels.end() && found->second == label.second;
          });
      if (fits) values.push_back(series.value);
    }
  }
  return values;
}

double MetricsPage::value(const std::string& name,
                          const std::map<std::string, std::string>& labels) const {
  const std::vector<double> found = values(name, labels);
  if (found.size() != 1) {
    throw std::runtime_error(fmt::format("{} series of {} with these labels", found.size(), name));
  }
  return found.front();
}

double MetricsPage::sum(const std::string& name,
                        const std::map<std::string, std::string>& labels) const {
  const std::vector<double> found = values(name, labels);
  return std::accumulate(found.begin(), found.end(), 0.0);
}

std::map<std::string, DocumentedMetric> documented_metrics(const std::string& root) {
  std::map<std::string, DocumentedMetric> metrics;
  std::ifstream stream(root + "/docs/metrics.md");
  for (std::string line; std::getline(stream, line);) {
    const std::vector<std::string> cells = split(line, '|');  // the first is before the first bar
    if (cells.size() != 6 || cells[2].size() != 1) continue;
    if (!cells[1].starts_with("softmoe_") && !cells[1].starts_with("process_")) continue;
    metrics[cells[1]] = {
        .type = cells[2],
        .labels = cells[3].empty() ? std::vector<std::string>{} : split(cells[3], ','),
        .where = cells[4],
        .meaning = cells[5]};
  }
  return metrics;
}

}  // namespace softmoe::test
