#include "training/moving_score.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace softmoe::training {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// Has seen `count` numbers, 1 and 3 in turn: mean 2, deviation 1 if the count is even.
MovingScore after(int count) {
  MovingScore score;
  for (int i = 0; i < count; ++i) (void)score.add(i % 2 == 0 ? 1 : 3);
  return score;
}

TEST(MovingScore, IsTheDistanceFromTheMeanInDeviations) {
  EXPECT_DOUBLE_EQ(after(16).add(2), 0);
  EXPECT_DOUBLE_EQ(after(16).add(7), 5);
  EXPECT_DOUBLE_EQ(after(100).add(-1), -3);
}

TEST(MovingScore, SaysNothingBeforeThereIsAnythingUsual) {
  EXPECT_EQ(MovingScore().add(5), 0);
  EXPECT_EQ(after(15).add(1000), 0);
  EXPECT_NE(after(16).add(1000), 0);
}

TEST(MovingScore, ComparesWithNumbersBeforeAndNotWithItself) {
  MovingScore score = after(16);

  EXPECT_DOUBLE_EQ(score.add(102), 100);
  EXPECT_LT(score.add(102), 5);  // the first one is usual by now
}

TEST(MovingScore, ForgetsWhatIsMoreThan128NumbersAgo) {
  MovingScore score;
  for (int i = 0; i < 16; ++i) (void)score.add(1e6);
  for (int i = 0; i < 128; ++i) (void)score.add(i % 2 == 0 ? 1 : 3);

  EXPECT_DOUBLE_EQ(score.add(4), 2);
}

TEST(MovingScore, KeepsWhatIs128NumbersAgo) {
  MovingScore score;
  (void)score.add(1e6);
  for (int i = 0; i < 127; ++i) (void)score.add(2);

  EXPECT_LT(std::abs(score.add(4)), 1);  // the deviation is that of the first number
}

TEST(MovingScore, IsInfiniteOnceAllThatWereEqualAreLeft) {
  MovingScore score;
  for (int i = 0; i < 20; ++i) (void)score.add(2);

  EXPECT_EQ(score.add(2), 0);
  EXPECT_EQ(score.add(3), kInfinity);
}

TEST(MovingScore, PassesOnWhatIsNotFiniteAndDoesNotKeepIt) {
  MovingScore score = after(16);

  EXPECT_TRUE(std::isnan(score.add(kNan)));
  EXPECT_EQ(score.add(kInfinity), kInfinity);
  EXPECT_EQ(score.add(-kInfinity), -kInfinity);
  EXPECT_DOUBLE_EQ(score.add(7), 5);
}

TEST(MovingScore, DoesNotTakeANanForUsualAtTheStart) {
  EXPECT_TRUE(std::isnan(MovingScore().add(kNan)));
}

}  // namespace
}  // namespace softmoe::training
