#include <gmock/gmock.h>

#include "router/route_summary.h"
#include "router/truncation.h"
#include "runtime/ops/lapsum_values.h"
#include "tests/unit/router/routing_case.h"

namespace softmoe::router {
namespace {

using test::HostPlan;
using test::normal_case;
using test::OnDevice;
using test::Routed;
using test::RoutingCase;
using ::testing::DoubleNear;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Pointwise;

RoutingCase raw_case(int experts, std::vector<double> logits) {
  RoutingCase routing{.config = {},
                      .tokens = static_cast<int>(logits.size()) / experts,
                      .experts = experts,
                      .logits = std::move(logits)};
  routing.config.normalisation = ScoreNormalisation::off;
  return routing;
}

TEST(RoutePlan, RunsExpertsAboveTheThresholdWithTheirProbability) {
  OnDevice device;
  // b = 0 by symmetry: p = 1 - e^-2/2, 1 - e^-1/2, e^-1/2 = 0.184, e^-2/2 = 0.068.
  RoutingCase routing = raw_case(4, {2.0, 1.0, -1.0, -2.0, -2.0, -1.0, 1.0, 2.0});
  routing.config.threshold = 0.1;

  const HostPlan plan = Routed<float>(device, routing).host_plan();

  EXPECT_THAT(plan.row_begin, ElementsAre(0, 3, 6));
  EXPECT_THAT(plan.expert, ElementsAre(0, 1, 2, 1, 2, 3));
  EXPECT_THAT(plan.count, ElementsAre(1, 2, 2, 1));
  EXPECT_THAT(plan.gates_of(0), Pointwise(DoubleNear(1e-6), {0.9323324, 0.8160603, 0.1839397}));
}

TEST(RoutePlan, ShiftsTheSurfaceByLambdaInUnitsOfAlpha) {
  OnDevice device;
  RoutingCase routing = raw_case(4, {1.0, 0.5, -0.5, -1.0});
  routing.alpha = 0.5;  // u = 2, 1, -1, -2
  routing.config.threshold = 0.5;
  routing.lambda = -1.5;

  const HostPlan plan = Routed<float>(device, routing).host_plan();

  EXPECT_THAT(plan.expert, ElementsAre(0, 1, 2));
}

TEST(RoutePlan, TakesThresholdFromTheGateUnderRelu) {
  OnDevice device;
  RoutingCase routing = raw_case(4, {2.0, 1.0, -1.0, -2.0});
  routing.config.threshold = 0.1;
  routing.config.gate = GateRule::relu;

  const HostPlan plan = Routed<float>(device, routing).host_plan();

  EXPECT_THAT(plan.gate, Pointwise(DoubleNear(1e-6), {0.8323324, 0.7160603, 0.0839397}));
}

TEST(RoutePlan, SumsRenormalisedGatesToOne) {
  OnDevice device;
  RoutingCase routing = normal_case(50, 9);
  routing.config.gate = GateRule::renormalised;

  const HostPlan plan = Routed<float>(device, routing).host_plan();

  for (std::size_t token = 0; token < 50; ++token) {
    const std::vector<double> gates = plan.gates_of(token);
    EXPECT_NEAR(std::accumulate(gates.begin(), gates.end(), 0.0), 1.0, 1e-6);
  }
}

TEST(RoutePlan, CutsTiesAtTheCapByExpertIndex) {
  OnDevice device;
  RoutingCase routing = raw_case(8, std::vector<double>(8, 0.0));
  routing.k = 1.5;
  routing.config.cap_factor = 2.0;
  routing.config.threshold = 0.1;

  const HostPlan plan = Routed<float>(device, routing).host_plan();

  EXPECT_THAT(plan.expert, ElementsAre(0, 1, 2));
}

TEST(RoutePlan, KeepsTheBestExpertByTheFloor) {
  OnDevice device;
  RoutingCase routing = raw_case(4, {0.0, 0.1, 0.2, 0.2});
  routing.k = 1.0;
  routing.config.threshold = 0.9;

  const HostPlan plan = Routed<float>(device, routing).host_plan();

  EXPECT_THAT(plan.expert, ElementsAre(2));
  EXPECT_NEAR(plan.gate[0], 0.27, 0.02);  // its p, about k / E
}

TEST(RoutePlan, RunsNothingWithoutAFloor) {
  OnDevice device;
  RoutingCase routing = raw_case(4, {0.0, 0.1, 0.2, 0.2});
  routing.k = 1.0;
  routing.config.threshold = 0.9;
  routing.config.floor = 0;

  const HostPlan plan = Routed<float>(device, routing).host_plan();

  EXPECT_THAT(plan.row_begin, ElementsAre(0, 0));
  EXPECT_THAT(plan.count, Each(0));
}

TEST(RoutePlan, RunsEveryExpertAtFullMass) {
  OnDevice device;
  RoutingCase routing = normal_case(3, 5);
  routing.k = 5.0;

  const HostPlan plan = Routed<float>(device, routing).host_plan();

  EXPECT_THAT(plan.row_begin, ElementsAre(0, 5, 10, 15));
  EXPECT_THAT(plan.gate, Each(DoubleNear(1.0, 1e-6)));
}

TEST(RoutePlan, OfNoTokensIsEmpty) {
  for (const RouterKind kind : {RouterKind::softmoe, RouterKind::top_k, RouterKind::hash}) {
    OnDevice device;
    RoutingCase routing = normal_case(0, 5);
    routing.config.kind = kind;

    const Routed<float> routed(device, routing);

    EXPECT_THAT(routed.host_plan().row_begin, ElementsAre(0));
    EXPECT_THAT(routed.host_plan().count, ElementsAre(0, 0, 0, 0, 0));
    EXPECT_THAT(routed.backward({}).d_logits, ElementsAre());
  }
}

TEST(RoutePlan, ReplaysAGivenChoice) {
  OnDevice device;
  const RoutingCase routing = normal_case(40, 6);
  const Routed<float> first(device, routing);
  RoutingCase other = normal_case(40, 6, 1.0, /*seed=*/2);
  other.k = 3.0;

  const HostPlan replayed = Routed<float>(device, other, &first.plan()).host_plan();

  EXPECT_EQ(replayed.row_begin, first.host_plan().row_begin);
  EXPECT_EQ(replayed.expert, first.host_plan().expert);
  EXPECT_EQ(replayed.count, first.host_plan().count);
  EXPECT_NE(replayed.gate, first.host_plan().gate);
}

TEST(RoutePlan, IsTheSameOnAnyNumberOfWorkers) {
  for (const int experts : {8, 40, 130}) {
    OnDevice one;
    OnDevice two(Backend::cpu, /*num_threads=*/2);
    const RoutingCase routing = normal_case(333, experts);

    const Routed<float> routed(two, routing);

    const Routed<float> alone(one, routing);
    EXPECT_EQ(routed.host_plan(), alone.host_plan());
    EXPECT_EQ(routed.counts(), alone.counts());
    EXPECT_EQ(routed.sums(), alone.sums());
  }
}

struct Rule {
  std::string name;
  RouterKind kind;
  double cap_factor;
  int top_k;
};

class RouteKernels : public ::testing::TestWithParam<Rule> {};

// The plan of f32 is that of the reference, but where a score is within rounding of the surface.
TEST_P(RouteKernels, AgreeWithTheReference) {
  for (const int experts : {1, 5, 16, 70, 200}) {
    OnDevice cpu(Backend::cpu);
    OnDevice reference(Backend::reference);
    RoutingCase routing = normal_case(100, experts, 2.0, static_cast<std::uint64_t>(experts));
    routing.config.kind = GetParam().kind;
    routing.config.cap_factor = GetParam().cap_factor;
    routing.config.top_k = std::min(GetParam().top_k, experts);
    routing.config.noise_std = 0.1;
    routing.k = std::min(0.1 * experts + 0.9, static_cast<double>(experts));
    routing.alpha = 0.4;
    routing.balance.assign(static_cast<std::size_t>(experts), 0.5F);

    const Routed<float> fast(cpu, routing);

    const Routed<float> slow(reference, routing);
    const HostPlan plan = fast.host_plan();
    ASSERT_EQ(plan.row_begin, slow.host_plan().row_begin);
    EXPECT_EQ(plan.expert, slow.host_plan().expert);
    EXPECT_EQ(plan.count, slow.host_plan().count);
    EXPECT_THAT(plan.gate, Pointwise(DoubleNear(1e-5), slow.host_plan().gate));
    EXPECT_EQ(fast.counts(), slow.counts());
    const std::vector<double> sums = slow.sums();
    for (std::size_t i = 0; i < sums.size(); ++i) {
      EXPECT_NEAR(fast.sums()[i], sums[i], 1e-5 * (1 + std::abs(sums[i]))) << "sum " << i;
    }
    const std::vector<double> d_gate(plan.gate.size(), 1.0);
    EXPECT_THAT(fast.backward(d_gate).d_logits,
                Pointwise(::testing::FloatNear(5e-5F), slow.backward(d_gate).d_logits));
  }
}

INSTANTIATE_TEST_SUITE_P(Rules, RouteKernels,
                         ::testing::Values(Rule{"Softmoe", RouterKind::softmoe, 4.0, 2},
                                           Rule{"SoftmoeAtATightCap", RouterKind::softmoe, 1.0, 2},
                                           Rule{"TopK", RouterKind::top_k, 4.0, 2},
                                           Rule{"TopManyK", RouterKind::top_k, 4.0, 20}),
                         [](const auto& variant) { return variant.param.name; });

TEST(TopK, RunsTheBestExpertsTiesByIndex) {
  OnDevice device;
  RoutingCase routing = raw_case(4, {1.0, 3.0, 1.0, 1.0});
  routing.config.kind = RouterKind::top_k;
  routing.config.top_k = 2;
  routing.config.renormalise_top_k = false;

  const HostPlan plan = Routed<float>(device, routing).host_plan();

  const double sum = std::exp(2.0) + 3;
  EXPECT_THAT(plan.expert, ElementsAre(0, 1));
  EXPECT_THAT(plan.gate, Pointwise(DoubleNear(1e-6), {1 / sum, std::exp(2.0) / sum}));
}

TEST(HashRouting, GivesEqualTokensEqualExperts) {
  OnDevice device;
  RoutingCase routing = raw_case(16, std::vector<double>(16 * 400, 0.0));
  routing.config.kind = RouterKind::hash;
  routing.config.top_k = 3;
  for (int token = 0; token < 400; ++token) routing.token_ids.push_back(token % 200);

  const HostPlan plan = Routed<float>(device, routing).host_plan();

  EXPECT_THAT(plan.gate, Each(DoubleNear(1.0 / 3, 1e-7)));
  for (std::size_t token = 0; token < 200; ++token) {
    EXPECT_EQ(plan.experts_of(token).size(), 3U);
    EXPECT_EQ(plan.experts_of(token), plan.experts_of(token + 200));
  }
  // 1200 rows over 16 experts: 75 each, standard deviation of twice 37 independent choices
  // about 11.
  EXPECT_THAT(plan.count, Each(::testing::AllOf(::testing::Gt(25), ::testing::Lt(125))));
}

TEST(GateNoise, DependsOnTheTokenAndTheStepAlone) {
  OnDevice device;
  RoutingCase whole = raw_case(6, std::vector<double>(6 * 8, 0.0));
  whole.config.noise_std = 1.0;
  whole.identity = {.seed = 7, .step = 5, .first_token = 100, .token_id_T = {}};
  RoutingCase half = raw_case(6, std::vector<double>(6 * 4, 0.0));
  half.config = whole.config;
  half.identity = whole.identity;
  half.identity.first_token = 104;

  const HostPlan part = Routed<float>(device, half).host_plan();

  const HostPlan all = Routed<float>(device, whole).host_plan();
  for (std::size_t token = 0; token < 4; ++token) {
    EXPECT_EQ(part.experts_of(token), all.experts_of(token + 4));
    EXPECT_EQ(part.gates_of(token), all.gates_of(token + 4));
  }
  half.identity.step = 6;
  EXPECT_NE(Routed<float>(device, half).host_plan().gate, part.gate);
}

TEST(GateNoise, IsOffOutsideTrainingAndFallsToZero) {
  OnDevice device;
  RoutingCase quiet = normal_case(8, 6);
  RoutingCase inference = quiet;
  inference.config.noise_std = 1.0;
  inference.mode = RouteMode::inference;
  RoutingCase late = quiet;
  late.config.noise_std = 1.0;
  late.config.noise_steps = 10;
  late.identity.step = 10;

  const HostPlan wanted = Routed<float>(device, quiet).host_plan();

  EXPECT_EQ(Routed<float>(device, inference).host_plan(), wanted);
  EXPECT_EQ(Routed<float>(device, late).host_plan(), wanted);
}

TEST(Normalisation, IgnoresOffsetAndScaleOfLogits) {
  OnDevice device;
  RoutingCase routing = normal_case(20, 8);
  const HostPlan wanted = Routed<float>(device, routing).host_plan();
  for (double& logit : routing.logits) logit = 30 * logit + 5;

  const HostPlan plan = Routed<float>(device, routing).host_plan();

  EXPECT_EQ(plan.expert, wanted.expert);
  EXPECT_THAT(plan.gate, Pointwise(DoubleNear(1e-5), wanted.gate));
}

TEST(ExpertCap, IsTheExactCeiling) {
  RouterConfig config;
  config.cap_factor = 2.0;

  EXPECT_EQ(expert_cap(config, 1.5, 8), 3);
  EXPECT_EQ(expert_cap(config, 1.5 + 1e-9, 8), 3);  // rounding of a learned k
  EXPECT_EQ(expert_cap(config, 1.51, 8), 4);
  EXPECT_EQ(expert_cap(config, 1e-9, 8), 1);
  EXPECT_EQ(expert_cap(config, 7.0, 8), 8);
}

TEST(Route, RefusesWhatDoesNotFit) {
  OnDevice device;
  RoutingCase routing = normal_case(2, 4);
  RoutingCase cold = routing;
  cold.alpha = 0;
  RoutingCase empty = routing;
  empty.k = 0;
  RoutingCase wide = routing;
  wide.config.kind = RouterKind::top_k;
  wide.config.top_k = 5;

  EXPECT_THROW(Routed<float>(device, cold), InvalidArgument);
  EXPECT_THROW(Routed<float>(device, empty), InvalidArgument);
  EXPECT_THROW(Routed<float>(device, wide), InvalidArgument);
}

}  // namespace
}  // namespace softmoe::router
