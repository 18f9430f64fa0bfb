#include "router/router_config.h"

#include <gmock/gmock.h>

#include "runtime/config/check.h"

namespace softmoe::router {
namespace {

bool passes(const RouterConfig& config) {
  config::Check check;
  config.validate(check);
  return check.passed();
}

TEST(RouterConfig, AcceptsItsDefaults) {
  EXPECT_TRUE(passes({}));
}

TEST(RouterConfig, RefusesZLossOnNormalisedScores) {
  RouterConfig config;
  config.z_loss = 0.001;

  EXPECT_FALSE(passes(config));
  config.normalisation = ScoreNormalisation::off;
  EXPECT_TRUE(passes(config));
}

TEST(RouterConfig, RefusesAnEmptyBox) {
  RouterConfig config;
  config.box_min = config.box_max;

  EXPECT_FALSE(passes(config));
}

}  // namespace
}  // namespace softmoe::router
