#include "router/layer_means.h"

#include <gmock/gmock.h>

#include <numeric>

#include "runtime/base/errors.h"

namespace softmoe::router {
namespace {

using ::testing::DoubleNear;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Optional;
using ::testing::Pointwise;

const std::vector<double> kEta = {0.3, -1.2, 2.0, 0.0};

RouterConfig config_of(LayerMeans form) {
  RouterConfig config;
  config.layer_means = form;
  return config;
}

class LearnedMeans : public ::testing::TestWithParam<LayerMeans> {};

TEST_P(LearnedMeans, SumToTheSoftMass) {
  const RouterConfig config = config_of(GetParam());
  for (const double mass : {4.5, 8.0, 15.0}) {
    const std::vector<double> means = layer_means(config, mass, kEta);

    EXPECT_NEAR(std::accumulate(means.begin(), means.end(), 0.0), mass, 1e-12);
    EXPECT_THAT(means, Each(::testing::Ge(1.0)));
  }
}

TEST_P(LearnedMeans, AreEqualAtEqualEta) {
  const std::vector<double> means =
      layer_means(config_of(GetParam()), 8.0, std::vector<double>(4, 0.7));

  EXPECT_THAT(means, Each(DoubleNear(2.0, 1e-12)));
}

TEST_P(LearnedMeans, GradientAgreesWithFiniteDifferences) {
  const RouterConfig config = config_of(GetParam());
  const std::vector<double> weights = {1.0, -2.0, 0.5, 3.0};
  const auto loss = [&](const std::vector<double>& eta) {
    const std::vector<double> means = layer_means(config, 9.0, eta);
    return std::inner_product(means.begin(), means.end(), weights.begin(), 0.0);
  };

  const std::vector<double> gradient = layer_means_vjp(config, 9.0, kEta, weights);

  for (std::size_t l = 0; l < kEta.size(); ++l) {
    std::vector<double> above = kEta;
    std::vector<double> below = kEta;
    above[l] += 1e-5;
    below[l] -= 1e-5;
    EXPECT_NEAR(gradient[l], (loss(above) - loss(below)) / 2e-5, 1e-7);
  }
  EXPECT_NEAR(std::accumulate(gradient.begin(), gradient.end(), 0.0), 0.0, 1e-12);
}

INSTANTIATE_TEST_SUITE_P(Forms, LearnedMeans,
                         ::testing::Values(LayerMeans::simplex, LayerMeans::box,
                                           LayerMeans::uniform));

TEST(LayerMeans, ReachTheEdgesOfTheBox) {
  const RouterConfig config = config_of(LayerMeans::box);

  EXPECT_THAT(layer_means(config, 4.0, kEta), Each(DoubleNear(1.0, 1e-12)));
  EXPECT_THAT(layer_means(config, 16.0, kEta), Each(DoubleNear(4.0, 1e-12)));
  EXPECT_THAT(layer_means_vjp(config, 16.0, kEta, kEta), Each(DoubleNear(0.0, 1e-12)));
}

TEST(LayerMeans, FollowEta) {
  const std::vector<double> eta = {std::log(1.0), std::log(3.0)};

  EXPECT_THAT(layer_means(config_of(LayerMeans::simplex), 6.0, eta),
              Pointwise(DoubleNear(1e-12), {2.0, 4.0}));
}

TEST(LayerMeans, RefuseMassThatDoesNotFit) {
  EXPECT_THROW((void)layer_means(config_of(LayerMeans::simplex), 3.9, kEta), InvalidArgument);
  EXPECT_THROW((void)layer_means(config_of(LayerMeans::box), 16.1, kEta), InvalidArgument);
  EXPECT_THROW((void)layer_means(config_of(LayerMeans::uniform), 0.0, kEta), InvalidArgument);
  EXPECT_THAT(layer_means_fault(config_of(LayerMeans::box), 17.0, 4),
              Optional(HasSubstr("choose it from 4 to 16")));
}

}  // namespace
}  // namespace softmoe::router
