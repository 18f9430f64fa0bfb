// docs/metrics.md against the pages: every family that it gives to rank 0 or to every rank is
// served, and nothing else.

#include <gmock/gmock.h>

#include <cctype>
#include <set>

#include "runtime/metrics/metrics_endpoint.h"
#include "tests/support/metrics_page.h"
#include "tests/support/on_device.h"
#include "tests/unit/training_metrics/fixed_step.h"
#include "training/rank_metrics.h"

namespace softmoe::test {
namespace {

using training::ExpertDetail;

/// The page of a rank at the highest level. @param is_root  whether it is rank 0's
MetricsPage page_of(bool is_root) {
  OnDevice on;
  metrics::MetricsEndpoint endpoint({.listen = "", .constant = {{"run", "r"}, {"rank", "0"}}});
  const training::RankMetrics of_rank(endpoint.registry(), {}, on.work);
  const training::MetricsConfig config{.expert_detail = ExpertDetail::full};
  std::optional<training::RunMetrics> of_run;
  if (is_root) {
    of_run.emplace(training::RunMetrics::Parts{.registry = endpoint.registry(),
                                               .config = config,
                                               .shape = fixed_shape(),
                                               .facts = fixed_facts(),
                                               .rates = fixed_rates(),
                                               .unix_time = 0});
  }
  return MetricsPage(endpoint.registry().page());
}

std::set<std::string> labels_of(const PageSeries& series) {
  std::set<std::string> labels;
  for (const auto& [name, _] : series.labels) labels.insert(name);
  return labels;
}

void expect_as_documented(const PageFamily& family, const DocumentedMetric& documented) {
  EXPECT_EQ(std::string(1, static_cast<char>(std::toupper(family.type.front()))), documented.type);
  EXPECT_THAT(documented.meaning, testing::StartsWith(family.help));
  std::set<std::string> expected(documented.labels.begin(), documented.labels.end());
  expected.insert({"run", "rank"});
  for (const PageSeries& series : family.series) {
    std::set<std::string> labels = labels_of(series);
    labels.erase("le");
    EXPECT_EQ(labels, expected);
  }
}

/// @param places  values of the column Where
void expect_families(const MetricsPage& page, const std::set<std::string>& places) {
  auto unserved = documented_metrics(SOFTMOE_SOURCE_DIR);
  ASSERT_GT(unserved.size(), 80);
  std::erase_if(unserved,
                [&](const auto& metric) { return !places.contains(metric.second.where); });
  for (const auto& [name, family] : page.families()) {
    SCOPED_TRACE(name);
    const auto documented = unserved.extract(name);
    ASSERT_FALSE(documented.empty()) << "not in docs/metrics.md, or elsewhere there";
    expect_as_documented(family, documented.mapped());
  }
  for (const auto& [name, _] : unserved) ADD_FAILURE() << name << " is documented, not served";
}

TEST(MetricsDocumentation, ListsWhatRank0Serves) {
  expect_families(page_of(/*is_root=*/true), {"0", "rank", "rank, coordinator"});
}

TEST(MetricsDocumentation, ListsWhatEveryOtherRankServes) {
  expect_families(page_of(/*is_root=*/false), {"rank", "rank, coordinator"});
}

}  // namespace
}  // namespace softmoe::test
