#include "training/metrics_size.h"

#include <gmock/gmock.h>

#include "runtime/metrics/metrics_endpoint.h"
#include "tests/support/metrics_page.h"
#include "tests/support/on_device.h"
#include "tests/unit/training_metrics/fixed_step.h"
#include "training/rank_metrics.h"
#include "training/run_metrics.h"

namespace softmoe::test {
namespace {

using testing::HasSubstr;
using training::ExpertDetail;
using training::MetricsShape;

constexpr ExpertDetail kDetails[] = {ExpertDetail::off, ExpertDetail::summary,
                                     ExpertDetail::buckets, ExpertDetail::topk, ExpertDetail::full};
constexpr MetricsShape kLarge{.layers = 64, .experts = 512, .top_experts = 4};

/// What rank 0 of such a run has.
class Page {
 public:
  Page(const MetricsShape& shape, ExpertDetail detail, std::int64_t max_series = 10'000'000)
      : config_{.expert_detail = detail, .max_series = max_series},
        rank_(endpoint_.registry(), {}, on_.work),
        run_({.registry = endpoint_.registry(),
              .config = config_,
              .shape = shape,
              .facts = fixed_facts_for(shape),
              .rates = fixed_rates(),
              .unix_time = 0}) {}

  [[nodiscard]] metrics::Registry& registry() { return endpoint_.registry(); }
  [[nodiscard]] training::RunMetrics& run() { return run_; }

 private:
  static training::RunFacts fixed_facts_for(const MetricsShape& shape) {
    training::RunFacts facts = fixed_facts();
    facts.expert_parallel = shape.experts % 2 == 0 ? 2 : 1;
    return facts;
  }

  OnDevice on_;
  metrics::MetricsEndpoint endpoint_{{.listen = "", .constant = {{"run", "r"}, {"rank", "0"}}}};
  training::MetricsConfig config_;
  training::RankMetrics rank_;
  training::RunMetrics run_;
};

TEST(MetricsSize, IsWhatIsMade) {
  for (const MetricsShape& shape :
       {MetricsShape{.layers = 1, .experts = 1, .top_experts = 4}, fixed_shape(),
        MetricsShape{.layers = 3, .experts = 8, .top_experts = 64},
        MetricsShape{.layers = 12, .experts = 33, .top_experts = 1}, kLarge}) {
    for (const ExpertDetail detail : kDetails) {
      Page page(shape, detail);
      EXPECT_EQ(page.registry().num_series(), predicted_series(shape, detail))
          << shape.layers << " layers, " << shape.experts << " experts, " << name_of(detail);
    }
  }
}

TEST(MetricsSize, IsWhatIsServed) {
  for (const ExpertDetail detail : kDetails) {
    Page page(fixed_shape(), detail);
    EXPECT_EQ(MetricsPage(page.registry().page()).num_series(),
              predicted_series(fixed_shape(), detail));
  }
}

TEST(MetricsSize, OfAnyOtherRankIsWhatIsMade) {
  OnDevice on;
  metrics::MetricsEndpoint endpoint({.listen = ""});
  const training::RankMetrics metrics(endpoint.registry(), {}, on.work);

  EXPECT_EQ(endpoint.registry().num_series(), training::predicted_rank_series());
}

TEST(MetricsSize, DoesNotGrowWhileStepsAreObserved) {
  Page page(fixed_shape(), ExpertDetail::full);
  for (unsigned seed = 0; seed < 5; ++seed) {
    page.run().observe(drawn_step(fixed_shape(), seed), fixed_rates(), 10);
  }
  page.run().observe(training::Evaluation{});
  page.run().finish(20);

  EXPECT_EQ(page.registry().num_series(), predicted_series(fixed_shape(), ExpertDetail::full));
}

TEST(MetricsSize, OfTheDefaultLevelIsSmallAt64LayersOf512Experts) {
  EXPECT_LT(predicted_series(kLarge, ExpertDetail::buckets), 5000);
}

TEST(MetricsSize, IsThatOfTheDocumentation) {
  EXPECT_EQ(predicted_series(kLarge, ExpertDetail::off), 1254);
  EXPECT_EQ(predicted_series(kLarge, ExpertDetail::summary), 1638);
  EXPECT_EQ(predicted_series(kLarge, ExpertDetail::buckets), 2662);
  EXPECT_EQ(predicted_series(kLarge, ExpertDetail::topk), 3686);
  EXPECT_EQ(predicted_series(kLarge, ExpertDetail::full), 36454);
  EXPECT_EQ(training::predicted_rank_series(), 40);
}

TEST(MetricsCap, LowersTheLevelUntilThePageFits) {
  const auto detail = [](ExpertDetail wanted, std::int64_t max_series) {
    return affordable_detail(kLarge, wanted, max_series);
  };
  EXPECT_EQ(detail(ExpertDetail::full, 36454), ExpertDetail::full);
  EXPECT_EQ(detail(ExpertDetail::full, 36453), ExpertDetail::topk);
  EXPECT_EQ(detail(ExpertDetail::full, 3685), ExpertDetail::buckets);
  EXPECT_EQ(detail(ExpertDetail::full, 2661), ExpertDetail::summary);
  EXPECT_EQ(detail(ExpertDetail::full, 100), ExpertDetail::off);
  EXPECT_EQ(detail(ExpertDetail::summary, 10'000'000), ExpertDetail::summary);
}

TEST(MetricsCap, HoldsForThePageAndIsToldOnIt) {
  Page page(kLarge, ExpertDetail::full, /*max_series=*/20000);

  EXPECT_EQ(page.run().detail(), ExpertDetail::topk);
  EXPECT_LE(page.registry().num_series(), 20000);
  EXPECT_EQ(MetricsPage(page.registry().page()).value("softmoe_metrics_detail_level"), 3);
}

TEST(MetricsCap, IsExplainedWhereItActs) {
  training::MetricsConfig config{.expert_detail = ExpertDetail::full};

  EXPECT_THAT(explain_detail(kLarge, config), HasSubstr("metrics.max_series = 20000"));
  EXPECT_THAT(explain_detail(kLarge, config), HasSubstr("36454 series"));
  EXPECT_THAT(explain_detail(kLarge, config), HasSubstr("at level topk (3686 series)"));
  config.max_series = 40000;
  EXPECT_EQ(explain_detail(kLarge, config), "");
}

TEST(Labels, HaveTheDigitsOfTheLastOne) {
  EXPECT_EQ(training::padded(3, 8), "3");
  EXPECT_EQ(training::padded(9, 10), "9");
  EXPECT_EQ(training::padded(3, 11), "03");
  EXPECT_EQ(training::padded(7, 512), "007");
  EXPECT_EQ(training::padded(0, 1), "0");
}

}  // namespace
}  // namespace softmoe::test
