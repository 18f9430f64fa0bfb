#pragma once

// The families that docs/metrics.md lists, and what may be asked of them.

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/dashboards/promql.h"

namespace softmoe::test {

/// A line of the page.
struct ListedFamily {
  char kind = 'G';               ///< C, G or H
  std::set<std::string> labels;  ///< its own, without those that every series has
  /// Label -> its values, where the page names them.
  std::map<std::string, std::set<std::string>> values;
};
using ListedFamilies = std::map<std::string, ListedFamily>;

[[nodiscard]] ListedFamilies families_of(std::string_view page);

/// The family behind the name of a series: of a histogram's `_bucket`, `_sum`, `_count` the
/// histogram; empty if the page has none. A histogram's bare name is no series.
[[nodiscard]] std::string family_behind(const std::string& series, const ListedFamilies& families);

/// What an expression asks for that the page does not promise: names, labels, values of labels.
/// @param recorded  names that recording rules make, with the labels they keep; `up` and `ALERTS`
///                  are always known
[[nodiscard]] std::vector<std::string> against_metrics_page(
    const std::string& expression, const ListedFamilies& families,
    const std::map<std::string, std::set<std::string>>& recorded);

}  // namespace softmoe::test
