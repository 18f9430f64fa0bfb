#include "router/route_statistics.h"

#include <gmock/gmock.h>

#include <numeric>

#include "router/balance.h"
#include "router/route_summary.h"
#include "tests/unit/router/routing_case.h"

namespace softmoe::router {
namespace {

using test::normal_case;
using test::OnDevice;
using test::Routed;
using test::RoutingCase;
using ::testing::DoubleNear;
using ::testing::ElementsAre;

RouteSummary summary_of(OnDevice& device, const RoutingCase& routing) {
  const Routed<float> routed(device, routing);
  return summarise(routing.experts, routed.counts(), routed.sums());
}

std::int64_t rows_at(OnDevice& device, RoutingCase routing, double lambda) {
  routing.lambda = lambda;
  return summary_of(device, routing).rows;
}

TEST(RouteStatistics, CountsTokensRowsAndLoads) {
  OnDevice device;
  RoutingCase routing = normal_case(100, 6);

  const RouteSummary summary = summary_of(device, routing);

  EXPECT_EQ(summary.tokens, 100);
  EXPECT_EQ(std::accumulate(summary.loads.begin(), summary.loads.end(), std::int64_t{0}),
            summary.rows);
  std::int64_t rows = 0;
  std::int64_t tokens = 0;
  for (std::size_t size = 0; size < summary.tokens_by_experts.size(); ++size) {
    tokens += summary.tokens_by_experts[size];
    rows += static_cast<std::int64_t>(size) * summary.tokens_by_experts[size];
  }
  EXPECT_EQ(tokens, 100);
  EXPECT_EQ(rows, summary.rows);
  EXPECT_DOUBLE_EQ(summary.mean_experts, static_cast<double>(summary.rows) / 100);
}

// The density is the central difference of the rows over lambda +- 1/4, floors and caps included.
TEST(RouteStatistics, DensityIsTheSlopeOfRowsInLambda) {
  for (const double cap_factor : {1.0, 4.0}) {
    OnDevice device;
    RoutingCase routing = normal_case(2000, 16);
    routing.config.cap_factor = cap_factor;
    routing.config.threshold = 0.4;
    routing.lambda = 0.3;

    const double density = summary_of(device, routing).density;

    const auto more = static_cast<double>(rows_at(device, routing, 0.3 - kSurfaceHalfWidth));
    const auto fewer = static_cast<double>(rows_at(device, routing, 0.3 + kSurfaceHalfWidth));
    EXPECT_GT(more, fewer);
    EXPECT_NEAR(density, (more - fewer) / (2 * kSurfaceHalfWidth) / 2000, 2e-3);
  }
}

TEST(RouteStatistics, SeeFloorAndCap) {
  OnDevice device;
  RoutingCase tight = normal_case(500, 16);
  tight.config.cap_factor = 1.0;
  tight.config.threshold = 0.05;
  RoutingCase high = normal_case(500, 16);
  high.config.threshold = 0.999;

  const RouteSummary cut = summary_of(device, tight);
  const RouteSummary held = summary_of(device, high);

  EXPECT_EQ(cut.rows, 1000);  // k = 2 for each
  EXPECT_DOUBLE_EQ(cut.cap_rate, 1.0);
  EXPECT_DOUBLE_EQ(cut.density, 0.0);
  EXPECT_EQ(held.rows, 500);
  EXPECT_GT(held.floor_rate, 0.99);
}

TEST(RouteStatistics, MeasureBoundaryMassAndMarginByHand) {
  OnDevice device;
  // u = 2, 1, -1, -2; the surface at u = log(2 * 0.1) = -1.609 is 0.391 from the last.
  RoutingCase routing{.config = {}, .tokens = 1, .experts = 4, .logits = {2.0, 1.0, -1.0, -2.0}};
  routing.config.normalisation = ScoreNormalisation::off;
  routing.config.threshold = 0.1;

  const Routed<float> routed(device, routing);

  const RouteSummary summary = summarise(4, routed.counts(), routed.sums());
  const double p_low = std::exp(-1.0) / 2;
  const double p_least = std::exp(-2.0) / 2;
  EXPECT_NEAR(summary.boundary_mass, 2 * (p_low + p_least), 1e-6);
  EXPECT_NEAR(summary.gate_sum, 2 - p_least, 1e-6);
  EXPECT_NEAR(summary.dropped_mass, p_least, 1e-6);
  EXPECT_NEAR(summary.score_std, std::sqrt(2.5), 1e-6);
  const CountPlaces places{4};
  for (int bin = 0; bin < kMarginBins; ++bin) {
    const bool holds =
        0.3905 < margin_bin_edge(bin) && (bin == 0 || 0.3905 >= margin_bin_edge(bin - 1));
    EXPECT_EQ(routed.counts()[static_cast<std::size_t>(places.margin(bin))], holds ? 1 : 0);
  }
}

TEST(RouteStatistics, AddUpOverMicroBatches) {
  OnDevice device;
  const RoutingCase whole = normal_case(64, 8);
  RoutingCase first = whole;
  first.tokens = 48;
  first.logits.resize(48 * 8);
  RoutingCase second = whole;
  second.tokens = 16;
  second.logits.erase(second.logits.begin(), second.logits.begin() + 48 * 8);

  auto counts = Routed<float>(device, first).counts();
  const auto more = Routed<float>(device, second).counts();

  std::transform(counts.begin(), counts.end(), more.begin(), counts.begin(), std::plus<>());
  EXPECT_EQ(counts, Routed<float>(device, whole).counts());
}

TEST(RouteStatistics, ValueOfTheBalanceLossIsItsCoefficientAtEqualLoads) {
  OnDevice device;
  RoutingCase routing = normal_case(32, 8);
  routing.config.balance = 0.02;
  routing.balance.resize(8);
  balance_coefficients(routing.config, std::vector<std::int64_t>(8, 77), routing.balance);

  const RouteSummary summary = summary_of(device, routing);

  EXPECT_NEAR(summary.balance_loss, 0.02, 1e-7);
}

TEST(BalanceCoefficients, WeighExpertsByTheirShareOfRows) {
  RouterConfig config;
  config.balance = 0.5;
  std::vector<float> coefficients(4);

  balance_coefficients(config, std::vector<std::int64_t>{6, 0, 1, 1}, coefficients);

  EXPECT_THAT(coefficients, ElementsAre(1.5F, 0.0F, 0.25F, 0.25F));
}

TEST(BalanceCoefficients, AreEqualBeforeAnythingWasCounted) {
  RouterConfig config;
  config.balance = 0.5;
  std::vector<float> coefficients(4);

  balance_coefficients(config, std::vector<std::int64_t>(4, 0), coefficients);

  EXPECT_THAT(coefficients, ElementsAre(0.5F, 0.5F, 0.5F, 0.5F));
  EXPECT_THROW(balance_coefficients(config, std::vector<std::int64_t>(3), coefficients),
               InvalidArgument);
}

TEST(RouteSummary, NamesImbalanceAndDeadExperts) {
  const CountPlaces places{4};
  std::vector<std::int64_t> counts(static_cast<std::size_t>(places.size()));
  counts[0] = 6;
  counts[2] = 2;
  counts[static_cast<std::size_t>(places.tokens())] = 5;
  counts[static_cast<std::size_t>(places.rows())] = 8;
  counts[static_cast<std::size_t>(places.near_surface())] = 5;

  const RouteSummary summary = summarise(4, counts, std::vector<double>(kNumRouteSums, 10.0));

  EXPECT_DOUBLE_EQ(summary.imbalance, 3.0);
  EXPECT_EQ(summary.dead_experts, 2);
  EXPECT_DOUBLE_EQ(summary.density, 2.0);
  EXPECT_DOUBLE_EQ(summary.boundary_mass, 2.0);
}

TEST(RouteSummary, OfNoTokensIsZero) {
  const CountPlaces places{4};
  const std::vector<std::int64_t> counts(static_cast<std::size_t>(places.size()));

  const RouteSummary summary = summarise(4, counts, std::vector<double>(kNumRouteSums));

  EXPECT_EQ(summary.boundary_mass, 0.0);
  EXPECT_EQ(summary.margin_median, 0.0);
  EXPECT_EQ(summary.dead_experts, 4);
}

TEST(MarginQuantile, InterpolatesWithinABin) {
  std::vector<std::int64_t> bins(kMarginBins);
  bins[20] = 10;  // from 2^-0.5 to 1

  EXPECT_NEAR(margin_quantile(bins, 0.5), std::exp2(-0.25), 1e-12);
  EXPECT_NEAR(margin_quantile(bins, 1.0), 1.0, 1e-12);
  bins[0] = 10;
  EXPECT_NEAR(margin_quantile(bins, 0.25), 0x1p-11, 1e-15);
}

}  // namespace
}  // namespace softmoe::router
