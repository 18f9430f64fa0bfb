#include "budget/servo_gains.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "runtime/base/errors.h"

namespace softmoe::budget {
namespace {

/// The linear plant itself, C - B = -gain (lambda - best), under the servo at a gain ratio; the
/// largest error of the last 20 of 400 steps, from an error of 1. It knows nothing of polynomials.
double error_left(const ServoGains& gains, double gain_ratio) {
  std::vector<double> lambda(static_cast<std::size_t>(gains.delay), -1.0);
  double debt = 0.0;
  double largest = 0.0;
  for (std::size_t step = 0; step < 400; ++step) {
    const double error = -lambda[step];
    debt += error;
    lambda.push_back(lambda.back() + gain_ratio * gains.newton * (error + gains.debt * debt));
    if (step >= 380) largest = std::max(largest, std::abs(error));
  }
  return largest;
}

class ServoGainsAtDelay : public testing::TestWithParam<int> {};

TEST_P(ServoGainsAtDelay, HoldTheLoopAtAnyGainEstimateFromX0_4ToX2_5) {
  const ServoGains gains = gains_for(GetParam());

  for (const double gain_ratio : {0.4, 1.0, 2.5}) {
    EXPECT_LT(error_left(gains, gain_ratio), 1e-6) << "true gain / estimate " << gain_ratio;
  }
}

TEST_P(ServoGainsAtDelay, TheLimitOfStabilityIsWhereTheLoopStartsToGrow) {
  const ServoGains gains = gains_for(GetParam());
  const double limit = max_stable_gain_ratio(gains);

  EXPECT_LT(error_left(gains, 0.97 * limit), 1.0);
  EXPECT_GT(error_left(gains, 1.03 * limit), 10.0);
  EXPECT_NEAR(limit, 3.8, 0.02);
}

INSTANTIATE_TEST_SUITE_P(Delays, ServoGainsAtDelay, testing::Values(1, 2));

TEST(ServoGains, ThoseOfDelayOneAreUnstableAtDelayTwo) {
  ServoGains gains = gains_for(1);
  gains.delay = 2;

  EXPECT_NEAR(max_stable_gain_ratio(gains), 1.8, 1e-12);
  EXPECT_GT(error_left(gains, 2.5), 1e3);
}

TEST(ServoGains, AnotherDelayIsRefused) {
  EXPECT_THAT([] { (void)gains_for(3); },
              testing::ThrowsMessage<InvalidArgument>(testing::HasSubstr("a delay of 3 steps")));
}

}  // namespace
}  // namespace softmoe::budget
