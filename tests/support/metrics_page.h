#pragma once

// A page of metrics, read as Prometheus would.

#include <map>
#include <string>
#include <vector>

namespace softmoe::test {

/// One line with a number.
struct PageSeries {
  std::string name;  ///< with _bucket, _sum, _count of a histogram
  std::map<std::string, std::string> labels;
  double value = 0;
};

struct PageFamily {
  std::string type;  ///< counter, gauge, histogram
  std::string help;
  std::vector<PageSeries> series;
};

/// Families by name.
class MetricsPage {
 public:
  /// @throws std::runtime_error naming the line that is none of the text format
  explicit MetricsPage(const std::string& text);

  [[nodiscard]] const std::map<std::string, PageFamily>& families() const { return families_; }
  [[nodiscard]] int num_series() const;
  /// The value of the one series of that name that has all these labels, and maybe more.
  /// @throws std::runtime_error if there is none, or several
  [[nodiscard]] double value(const std::string& name,
                             const std::map<std::string, std::string>& labels = {}) const;
  /// The sum of all series of that name that have these labels.
  [[nodiscard]] double sum(const std::string& name,
                           const std::map<std::string, std::string>& labels = {}) const;

 private:
  [[nodiscard]] std::vector<double> values(const std::string& name,
                                           const std::map<std::string, std::string>& labels) const;

  std::map<std::string, PageFamily> families_;
};

/// A row of the lists in docs/metrics.md.
struct DocumentedMetric {
  std::string type;  ///< C, G, H
  std::vector<std::string> labels;
  std::string where;
  std::string meaning;
};

/// All of them, by name. @param root  of the tree
[[nodiscard]] std::map<std::string, DocumentedMetric> documented_metrics(const std::string& root);

}  // namespace softmoe::test
