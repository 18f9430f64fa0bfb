// route_backward against central differences in f64, the mask given.

#include <gmock/gmock.h>

#include <functional>

#include "tests/unit/router/routing_case.h"

namespace softmoe::router {
namespace {

using test::normal_case;
using test::OnDevice;
using test::Routed;
using test::RoutingCase;

struct Variant {
  std::string name;
  std::function<void(RouterConfig&)> change;
};

class RouteGradient : public ::testing::TestWithParam<Variant> {};

// A loss that weighs every gate, and adds the two penalties of the router.
double loss(OnDevice& device, const RoutingCase& routing, const RoutePlan& given,
            const std::vector<double>& weights) {
  const Arena::Mark mark = device.saved.mark();
  const Routed<double> routed(device, routing, &given);
  const std::vector<double> gates = routed.host_plan().gate;
  const std::vector<double> sums = routed.sums();
  double total = sums[static_cast<std::size_t>(RouteSum::balance_loss)] +
                 sums[static_cast<std::size_t>(RouteSum::z_loss)];
  for (std::size_t i = 0; i < gates.size(); ++i) total += gates[i] * weights[i];
  device.stream.synchronize();
  device.saved.release(mark);
  return total;
}

double slope(const std::function<double()>& evaluate, double& at) {
  constexpr double kStep = 1e-5;
  const double kept = at;
  at = kept + kStep;
  const double above = evaluate();
  at = kept - kStep;
  const double below = evaluate();
  at = kept;
  return (above - below) / (2 * kStep);
}

RoutingCase gradient_case() {
  RoutingCase routing = normal_case(/*tokens=*/6, /*experts=*/7);
  routing.gain = 1.3;
  routing.k = 1.7;
  routing.alpha = 0.6;
  routing.lambda = 0.1;
  for (int expert = 0; expert < routing.experts; ++expert) {
    routing.balance.push_back(0.25F * static_cast<float>(expert % 3));
  }
  routing.token_ids = {5, 3, 5, 8, 13, 2};
  return routing;
}

void expect_agreement(OnDevice& device, RoutingCase routing) {
  // Truncation error h^2 with third derivatives of size 1 / alpha^2, and the corner of the Laplace
  // density at b, O(h) if it is straddled.
  constexpr double kNear = 2e-5;
  const Routed<double> routed(device, routing);
  std::vector<double> weights;
  for (std::size_t i = 0; i < routed.host_plan().gate.size(); ++i) {
    weights.push_back(std::sin(1.0 + static_cast<double>(i)));
  }

  const auto gradients = routed.backward(weights);

  const auto evaluate = [&] { return loss(device, routing, routed.plan(), weights); };
  for (std::size_t i = 0; i < routing.logits.size(); ++i) {
    ASSERT_NEAR(gradients.d_logits[i], slope(evaluate, routing.logits[i]), kNear) << "logit " << i;
  }
  EXPECT_NEAR(gradients.d_k, slope(evaluate, routing.k), kNear);
  EXPECT_NEAR(gradients.d_gain, slope(evaluate, routing.gain), kNear);
}

TEST_P(RouteGradient, AgreesWithFiniteDifferences) {
  OnDevice device;
  RoutingCase routing = gradient_case();
  GetParam().change(routing.config);

  expect_agreement(device, routing);
}

TEST(RouteGradientUnderAQuota, AgreesWithFiniteDifferences) {
  OnDevice device;
  for (const GateRule gate : {GateRule::truncated, GateRule::renormalised}) {
    for (const std::int64_t quota : {6, 13, 24}) {  // floors alone, some, all that the caps allow
      RoutingCase routing = gradient_case();
      routing.config.gate = gate;
      routing.config.cap_factor = 2.0;
      routing.quota = quota;

      expect_agreement(device, routing);
    }
  }
}

void raw_scores(RouterConfig& config) {
  config.normalisation = ScoreNormalisation::off;
  config.z_loss = 0.03;
}

INSTANTIATE_TEST_SUITE_P(
    Rules, RouteGradient,
    ::testing::Values(
        Variant{"Truncated", [](RouterConfig&) {}},
        Variant{"Relu", [](RouterConfig& config) { config.gate = GateRule::relu; }},
        Variant{"Renormalised", [](RouterConfig& config) { config.gate = GateRule::renormalised; }},
        Variant{"TruncatedRaw", raw_scores},
        Variant{"ReluRaw",
                [](RouterConfig& config) {
                  raw_scores(config);
                  config.gate = GateRule::relu;
                }},
        Variant{"RenormalisedRaw",
                [](RouterConfig& config) {
                  raw_scores(config);
                  config.gate = GateRule::renormalised;
                }},
        Variant{"Noisy", [](RouterConfig& config) { config.noise_std = 0.3; }},
        Variant{"TopK", [](RouterConfig& config) { config.kind = RouterKind::top_k; }},
        Variant{"TopKRaw",
                [](RouterConfig& config) {
                  raw_scores(config);
                  config.kind = RouterKind::top_k;
                  config.renormalise_top_k = false;
                }},
        Variant{"Hash", [](RouterConfig& config) { config.kind = RouterKind::hash; }}),
    [](const auto& variant) { return variant.param.name; });

// With the mask held constant, logits of experts that do not run still move b.
TEST(InactiveExperts, GetGradientThroughTheThreshold) {
  OnDevice device;
  RoutingCase routing{.config = {}, .tokens = 1, .experts = 3, .logits = {2.0, 0.0, -1.0}};
  routing.config.normalisation = ScoreNormalisation::off;
  routing.config.threshold = 0.5;
  routing.k = 1.0;
  const Routed<double> routed(device, routing);
  ASSERT_THAT(routed.host_plan().expert, ::testing::ElementsAre(0));

  const auto gradients = routed.backward({1.0});

  EXPECT_GT(gradients.d_logits[0], 0.0);
  EXPECT_LT(gradients.d_logits[1], 0.0);
  EXPECT_LT(gradients.d_logits[2], 0.0);
  EXPECT_NEAR(gradients.d_logits[0] + gradients.d_logits[1] + gradients.d_logits[2], 0.0, 1e-15);
}

}  // namespace
}  // namespace softmoe::router
