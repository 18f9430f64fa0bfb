#include "runtime/ops/cpu/vec.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>

namespace softmoe::ops::cpu {
namespace {

float exp_of(float x) {
  return exp(all(x))[0];
}

TEST(VectorExp, IsWithin1e7RelativeOfTheTrueOne) {
  double worst = 0;
  for (float x = -86.9F; x < 88.3F; x += 0.00137F) {
    const double expected = std::exp(double{x});
    worst = std::max(worst, std::abs(double{exp_of(x)} - expected) / expected);
  }

  EXPECT_LT(worst, 1.3e-7);
}

TEST(VectorExp, IsExactAtZero) {
  EXPECT_EQ(exp_of(0.0F), 1.0F);
  EXPECT_EQ(exp_of(-0.0F), 1.0F);
}

TEST(VectorExp, LeavesTheRangeToZeroAndInfinity) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();

  EXPECT_EQ(exp_of(-87.5F), 0.0F);
  EXPECT_EQ(exp_of(-kInfinity), 0.0F);
  EXPECT_EQ(exp_of(std::numeric_limits<float>::lowest()), 0.0F);
  EXPECT_EQ(exp_of(89.0F), kInfinity);
  EXPECT_EQ(exp_of(kInfinity), kInfinity);
  EXPECT_TRUE(std::isnan(exp_of(std::numeric_limits<float>::quiet_NaN())));
}

TEST(VectorExp, HasNoDenormalResult) {
  for (float x = -87.4F; x < -86.0F; x += 0.001F) {
    EXPECT_TRUE(exp_of(x) == 0.0F || std::isnormal(exp_of(x))) << x;
  }
}

TEST(Vectors, GiveAnElementTheSameBitsInEveryLane) {
  for (const float value : {-3.7F, -0.01F, 0.3F, 12.5F}) {
    for (int lane = 0; lane < kLanes; ++lane) {
      Vec x{};
      x[lane] = value;

      EXPECT_EQ(exp(x)[lane], exp_of(value));
      EXPECT_EQ(sqrt(x * x)[lane], sqrt(all(value * value))[0]);
    }
  }
}

TEST(Vectors, FoldLanesExactly) {
  Vec x{};
  for (int lane = 0; lane < kLanes; ++lane) x[lane] = static_cast<float>(lane + 1);

  EXPECT_EQ(sum_lanes(x), static_cast<float>(kLanes * (kLanes + 1) / 2));
  EXPECT_EQ(max_lanes(x), static_cast<float>(kLanes));
  EXPECT_EQ(max_lanes(-x), -1.0F);
}

TEST(Vectors, LoadAndStoreOnlyTheirPart) {
  std::array<float, kLanes + 1> memory;
  memory.fill(7.0F);

  const Vec loaded = load(memory.data(), Part{2}, -1.0F);
  store(Vec{}, memory.data(), Part{3});

  EXPECT_EQ(loaded[1], 7.0F);
  EXPECT_EQ(loaded[kLanes - 1], kLanes > 2 ? -1.0F : 7.0F);
  EXPECT_EQ(memory[2], 0.0F);
  EXPECT_EQ(memory[3], 7.0F);
}

}  // namespace
}  // namespace softmoe::ops::cpu
