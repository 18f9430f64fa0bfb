#include "training/report/axis.h"

#include <gmock/gmock.h>

#include <cmath>

namespace softmoe::training {
namespace {

using testing::DoubleEq;
using testing::ElementsAre;
using testing::Pointwise;

TEST(Ticks, AreRoundNumbersWithinTheEnds) {
  EXPECT_THAT(nice_ticks(0, 700, 6), ElementsAre(0, 200, 400, 600));
  EXPECT_THAT(nice_ticks(0, 1, 5), Pointwise(DoubleEq(), {0.0, 0.2, 0.4, 0.6, 0.8, 1.0}));
  EXPECT_THAT(nice_ticks(-3, 3, 6), ElementsAre(-3, -2, -1, 0, 1, 2, 3));
  EXPECT_THAT(nice_ticks(5, 5, 5), ElementsAre(5));
}

TEST(Ticks, HoldTheirLawsForAnyRange) {
  for (const double scale : {1e-12, 3e-4, 0.7, 1.0, 42.0, 9.99e5, 1e15}) {
    for (const double low : {-1.7, -0.2, 0.0, 0.31, 5.0}) {
      const std::vector<double> ticks = nice_ticks(low * scale, (low + 1) * scale, 5);

      ASSERT_GE(ticks.size(), 2U) << low << " " << scale;
      ASSERT_LE(ticks.size(), 7U) << low << " " << scale;
      for (std::size_t at = 0; at < ticks.size(); ++at) {
        EXPECT_GE(ticks[at], (low - 1e-6) * scale);
        EXPECT_LE(ticks[at], (low + 1 + 1e-6) * scale);
        if (at > 0) {
          EXPECT_GT(ticks[at], ticks[at - 1]);
        }
      }
    }
  }
}

TEST(Ticks, AreDecadesOnALogarithmicAxis) {
  EXPECT_THAT(decade_ticks(0.5, 2000), Pointwise(DoubleEq(), {1.0, 10.0, 100.0, 1000.0}));
  EXPECT_THAT(decade_ticks(1, 12), Pointwise(DoubleEq(), {1.0, 2.0, 5.0, 10.0}));
  EXPECT_LE(decade_ticks(1e-30, 1e30).size(), 8U);
}

TEST(Axis, HoldsTheDataBetweenItsEnds) {
  const Axis axis = Axis::rounded(3.2, 8.4, AxisKind::linear);

  EXPECT_EQ(axis.place(axis.low()), 0);
  EXPECT_EQ(axis.place(axis.high()), 1);
  EXPECT_GE(axis.place(3.2), 0);
  EXPECT_LE(axis.place(8.4), 1);
  EXPECT_EQ(axis.ticks().front(), axis.low());
  EXPECT_EQ(axis.ticks().back(), axis.high());
}

TEST(Axis, HasRoomForASingleValue) {
  for (const double value : {0.0, 1.0, -4.0, 1e-9, 1e12}) {
    const Axis axis = Axis::rounded(value, value, AxisKind::linear);

    EXPECT_LT(axis.low(), axis.high());
    EXPECT_GT(axis.place(value), 0);
    EXPECT_LT(axis.place(value), 1);
  }
  EXPECT_EQ(Axis::exact(0, 0).place(0), 0.5);
}

TEST(Axis, TakesEndsThatDifferByRoundingOnlyForOne) {
  for (const double value : {0.1, 1.0, 8.1, -3.0, 1e12}) {
    const Axis axis = Axis::rounded(value, std::nextafter(value, HUGE_VAL), AxisKind::linear);

    EXPECT_LE(axis.ticks().size(), 8U);
    EXPECT_LT(axis.low(), value);
    EXPECT_GT(axis.high(), value);
  }
}

TEST(Axis, OfLogarithmsPutsEqualRatiosAtEqualDistances) {
  const Axis axis = Axis::rounded(0.01, 100, AxisKind::logarithmic);

  EXPECT_NEAR(axis.place(1) - axis.place(0.1), axis.place(10) - axis.place(1), 1e-12);
  EXPECT_GT(axis.place(0.01), 0);
  EXPECT_LT(axis.place(100), 1);
}

TEST(ShortNumber, IsShortAndReadable) {
  EXPECT_EQ(short_number(0), "0");
  EXPECT_EQ(short_number(4.15073), "4.151");
  EXPECT_EQ(short_number(700), "700");
  EXPECT_EQ(short_number(9107000), "9.107M");
  EXPECT_EQ(short_number(-12345), "-12.35k");
  EXPECT_EQ(short_number(0.0001234), "0.000123");
  EXPECT_EQ(short_number(std::nan("")), "–");
}

}  // namespace
}  // namespace softmoe::training
