#include "tests/dashboards/metrics_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace softmoe::test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const ListedFamilies kFamilies = families_of(R"(
| name | T | labels | where | meaning |
|---|---|---|---|---|
| softmoe_rows_total | C | direction, scope | rank | Rows (direction: sent, received; scope: all, off_rank; received has all only) |
| softmoe_step_seconds | H | | 0 | Wall time of a step |
)");

std::vector<std::string> against(const std::string& expression) {
  return against_metrics_page(expression, kFamilies, {{"softmoe:rows:rate5m", {"scope"}}});
}

TEST(MetricsPage, IsReadWithKindsLabelsAndValues) {
  const ListedFamily& rows = kFamilies.at("softmoe_rows_total");

  EXPECT_EQ(rows.kind, 'C');
  EXPECT_THAT(rows.labels, ElementsAre("direction", "scope"));
  EXPECT_THAT(rows.values.at("scope"), ElementsAre("all", "off_rank"));
  EXPECT_EQ(kFamilies.at("softmoe_step_seconds").kind, 'H');
}

TEST(MetricsPage, AllowsWhatItLists) {
  EXPECT_THAT(against(R"(sum by (rank, scope) (rate(softmoe_rows_total{run="$run"}[5m])))"),
              IsEmpty());
  EXPECT_THAT(against(R"(softmoe_rows_total{scope=~"all|off_rank", direction="sent"})"), IsEmpty());
  EXPECT_THAT(against("sum by (le) (softmoe_step_seconds_bucket) + softmoe_step_seconds_sum"),
              IsEmpty());
  EXPECT_THAT(against("softmoe:rows:rate5m + on (scope) up"), IsEmpty());
}

TEST(MetricsPage, NamesWhatNobodyServes) {
  EXPECT_THAT(against("softmoe_row_total"), ElementsAre("nobody serves softmoe_row_total"));
  EXPECT_THAT(against("softmoe_rows_total_sum"),
              ElementsAre("nobody serves softmoe_rows_total_sum"));
  EXPECT_THAT(against("softmoe_step_seconds"), ElementsAre("nobody serves softmoe_step_seconds"));
  EXPECT_THAT(against("softmoe:rows:rate1m"), ElementsAre("nobody serves softmoe:rows:rate1m"));
}

TEST(MetricsPage, NamesLabelsAndValuesThatNoSeriesHas) {
  EXPECT_THAT(against(R"(softmoe_rows_total{pass="forward"})"),
              ElementsAre("softmoe_rows_total has no label pass"));
  EXPECT_THAT(against(R"(softmoe_rows_total{scope=~"all|rank"})"),
              ElementsAre(R"(softmoe_rows_total has no scope="rank")"));
  EXPECT_THAT(against("sum by (layer) (softmoe_rows_total)"),
              ElementsAre("nothing has the label layer"));
}

}  // namespace
}  // namespace softmoe::test
