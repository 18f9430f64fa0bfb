#include "tests/dashboards/promql.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

namespace softmoe::test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(PromQl, ReadsAMetricWithMatchersAndItsRange) {
  const Reads reads = reads_of(R"(rate(bytes_total{job=~"$job", op!="a,}"}[$__rate_interval]))");

  ASSERT_THAT(reads.selectors, SizeIs(1));
  const Selector& selector = reads.selectors[0];
  EXPECT_EQ(selector.metric, "bytes_total");
  EXPECT_EQ(selector.range, "$__rate_interval");
  EXPECT_EQ(selector.function, "rate");
  ASSERT_THAT(selector.matchers, SizeIs(2));
  EXPECT_EQ(selector.matchers[0].op, "=~");
  EXPECT_EQ(selector.matchers[1].value, "a,}");
  EXPECT_EQ(selector.text(), R"(bytes_total{job=~"$job", op!="a,}"})");
}

TEST(PromQl, FindsBothSidesAndTheLabelsTheyAreJoinedBy) {
  const Reads reads = reads_of("sum by (a, b) (x) / on (c) group_left () max(y) unless on(d) z");

  ASSERT_THAT(reads.selectors, SizeIs(3));
  EXPECT_EQ(reads.selectors[0].function, "sum");
  EXPECT_EQ(reads.selectors[1].function, "max");
  EXPECT_EQ(reads.selectors[2].function, "");
  EXPECT_THAT(reads.labels, ElementsAre("a", "b", "c", "d"));
}

TEST(PromQl, TakesTextsNumbersAndWordsForNoMetrics) {
  const Reads reads = reads_of(R"(topk(20, label_replace(x, "level", "off", "", "")) == bool 1e6)");

  ASSERT_THAT(reads.selectors, SizeIs(1));
  EXPECT_EQ(reads.selectors[0].metric, "x");
  EXPECT_THAT(reads.labels, IsEmpty());
}

TEST(PromQl, RefusesWhatIsNotClosed) {
  EXPECT_THROW((void)reads_of("sum(x"), std::invalid_argument);
  EXPECT_THROW((void)reads_of("sum(x))"), std::invalid_argument);
  EXPECT_THROW((void)reads_of("x{a=\"b\""), std::invalid_argument);
  EXPECT_THROW((void)reads_of("x{a=b}"), std::invalid_argument);
  EXPECT_THROW((void)reads_of("x{a\"b\"}"), std::invalid_argument);
  EXPECT_THROW((void)reads_of("rate(x[5m)"), std::invalid_argument);
  EXPECT_THROW((void)reads_of("1 + 2"), std::invalid_argument);
  EXPECT_THROW((void)reads_of("sum(x) ; y"), std::invalid_argument);
}

}  // namespace
}  // namespace softmoe::test
