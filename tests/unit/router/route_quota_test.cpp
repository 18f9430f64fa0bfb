// A micro-batch that runs a number of rows settled beforehand.

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "router/route_summary.h"
#include "router/truncation.h"
#include "tests/unit/router/routing_case.h"

namespace softmoe::router {
namespace {

using test::HostPlan;
using test::normal_case;
using test::OnDevice;
using test::Routed;
using test::RoutingCase;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

RoutingCase quota_case(std::int64_t quota) {
  RoutingCase routing = normal_case(/*tokens=*/60, /*experts=*/12);
  routing.config.cap_factor = 2.0;  // at most four
  routing.quota = quota;
  return routing;
}

TEST(RouteWithAQuota, RunsExactlySoManyRowsWithinFloorAndCap) {
  for (const Backend backend : {Backend::cpu, Backend::reference}) {
    OnDevice device(backend);
    for (const std::int64_t quota : {60, 61, 100, 153, 239, 240}) {
      const Routed<float> routed(device, quota_case(quota));
      const HostPlan plan = routed.host_plan();

      EXPECT_EQ(plan.row_begin.back(), quota);
      EXPECT_EQ(routed.counts()[static_cast<std::size_t>(CountPlaces{12}.rows())], quota);
      EXPECT_EQ(std::accumulate(plan.count.begin(), plan.count.end(), 0), quota);
      for (std::size_t token = 0; token < 60; ++token) {
        ASSERT_GE(plan.experts_of(token).size(), 1U);
        ASSERT_LE(plan.experts_of(token).size(), 4U);
      }
    }
  }
}

TEST(RouteWithAQuota, LeavesGatesAsTheyAre) {
  OnDevice device;
  RoutingCase routing = quota_case(150);
  const HostPlan plan = Routed<double>(device, routing).host_plan();
  routing.quota = std::nullopt;
  routing.config.cap_factor = 12.0;
  routing.lambda = -50.0;  // every expert
  const HostPlan all = Routed<double>(device, routing).host_plan();

  for (std::size_t token = 0; token < 60; ++token) {
    const std::vector<std::int32_t> experts = plan.experts_of(token);
    for (std::size_t i = 0; i < experts.size(); ++i) {
      EXPECT_EQ(plan.gates_of(token)[i], all.gates_of(token)[static_cast<std::size_t>(experts[i])]);
    }
  }
}

TEST(RouteWithAQuota, MayLeaveATokenWithoutExpertsIfThereIsNoFloor) {
  OnDevice device;
  RoutingCase routing = quota_case(20);
  routing.config.floor = 0;

  const HostPlan plan = Routed<float>(device, routing).host_plan();

  EXPECT_EQ(plan.row_begin.back(), 20);
}

TEST(RouteWithAQuota, SharesRenormalisedGates) {
  OnDevice device;
  RoutingCase routing = quota_case(130);
  routing.config.gate = GateRule::renormalised;

  const HostPlan plan = Routed<float>(device, routing).host_plan();

  for (std::size_t token = 0; token < 60; ++token) {
    const std::vector<double> gates = plan.gates_of(token);
    EXPECT_NEAR(std::accumulate(gates.begin(), gates.end(), 0.0), 1.0, 1e-6);
  }
}

TEST(RouteWithAQuota, ASurfaceAtItsCutRunsTheSameExperts) {
  OnDevice device;
  RoutingCase routing = quota_case(137);
  routing.alpha = 0.7;
  const Routed<float> routed(device, routing);
  const RouteSummary summary = summarise(12, routed.counts(), routed.sums());

  routing.quota = std::nullopt;
  routing.lambda = lambda_of_cut(routing.config, summary.cut);
  const HostPlan by_surface = Routed<float>(device, routing).host_plan();

  EXPECT_EQ(by_surface, routed.host_plan());
}

TEST(RouteWithAQuota, MeasuresAtTheSurfaceThatLambdaSets) {
  OnDevice device;
  RoutingCase routing = quota_case(137);
  const std::vector<std::int64_t> with_quota = Routed<float>(device, routing).counts();
  routing.quota = std::nullopt;
  const std::vector<std::int64_t> without = Routed<float>(device, routing).counts();
  const CountPlaces places{12};

  for (const int place : {places.near_surface(), places.at_floor(), places.at_cap()}) {
    EXPECT_EQ(with_quota[static_cast<std::size_t>(place)],
              without[static_cast<std::size_t>(place)]);
  }
}

TEST(RouteWithAQuota, HasNoCutWithoutTokensOrWithoutAQuota) {
  OnDevice device;
  constexpr auto kCut = static_cast<std::size_t>(RouteSum::cut);
  RoutingCase nobody = normal_case(0, 12);
  nobody.quota = 0;
  const Routed<float> routed(device, nobody);
  EXPECT_EQ(routed.sums()[kCut], 0.0);
  EXPECT_EQ(routed.host_plan().row_begin.back(), 0);

  EXPECT_EQ(Routed<float>(device, normal_case(60, 12)).sums()[kCut], 0.0);
}

TEST(RouteWithAQuota, ReplaysAGivenPlanInstead) {
  OnDevice device;
  const Routed<float> routed(device, quota_case(150));
  const Routed<float> replayed(device, quota_case(99), &routed.plan());

  EXPECT_EQ(replayed.host_plan(), routed.host_plan());
}

TEST(RouteWithAQuota, IsRefusedByRoutersThatCannotHaveOne) {
  OnDevice device;
  RoutingCase routing = quota_case(150);
  routing.token_ids.assign(60, 7);
  for (const RouterKind kind : {RouterKind::top_k, RouterKind::hash}) {
    routing.config.kind = kind;
    EXPECT_THAT([&] { Routed<float>(device, routing); },
                ThrowsMessage<InvalidArgument>(HasSubstr("of the kind softmoe")));
  }
  routing.config.kind = RouterKind::softmoe;
  routing.config.gate = GateRule::relu;
  EXPECT_THAT([&] { Routed<float>(device, routing); },
              ThrowsMessage<InvalidArgument>(HasSubstr("gate relu")));
  EXPECT_EQ(quota_fault(RouterConfig{}), std::nullopt);
}

TEST(RouteWithAQuota, IsRefusedBeyondFloorsAndCaps) {
  OnDevice device;

  EXPECT_THAT([&] { Routed<float>(device, quota_case(59)); },
              ThrowsMessage<InvalidArgument>(HasSubstr("59 pairs of 60 rows")));
  EXPECT_THAT([&] { Routed<float>(device, quota_case(241)); },
              ThrowsMessage<InvalidArgument>(HasSubstr("from 60 to 240")));
}

}  // namespace
}  // namespace softmoe::router
