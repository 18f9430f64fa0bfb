#include "training/report/curve.h"

#include <gmock/gmock.h>

#include <cmath>

#include "runtime/base/errors.h"

namespace softmoe::training {
namespace {

using testing::Each;
using testing::Field;
using testing::IsEmpty;
using testing::SizeIs;

TEST(Curve, KeepsEveryStepOfAShortRun) {
  Curve curve;
  for (int step = 0; step < 5; ++step) curve.add(step, 10.0 * step);

  const std::vector<CurvePoint> points = curve.points(100);

  ASSERT_THAT(points, SizeIs(5));
  EXPECT_EQ(points[3].step, 3);
  EXPECT_EQ(points[3].mean, 30);
  EXPECT_EQ(points[3].min, 30);
  EXPECT_EQ(points[3].max, 30);
  EXPECT_EQ(curve.last(), 40);
}

TEST(Curve, KeepsTheExtremesAndTheMeanOfALongRun) {
  constexpr std::int64_t kSteps = 1'000'003;
  Curve curve;
  double sum = 0;
  for (std::int64_t step = 0; step < kSteps; ++step) {
    const double value = step == 654'321   ? 1e6
                         : step == 123'456 ? -1e6
                                           : std::sin(0.001 * static_cast<double>(step));
    sum += value;
    curve.add(step, value);
  }

  const std::vector<CurvePoint> points = curve.points(Curve::kMaxBins);

  EXPECT_LE(points.size(), Curve::kMaxBins);
  EXPECT_GT(points.size(), Curve::kMaxBins / 4);
  double max = -1e9;
  double min = 1e9;
  for (const CurvePoint& point : points) {
    if (point.max > max) {
      max = point.max;
      EXPECT_TRUE(point.max < 1e6 ||
                  std::abs(point.step - 654'321) < static_cast<double>(curve.bin_width()));
    }
    min = std::min(min, point.min);
  }
  EXPECT_EQ(max, 1e6);
  EXPECT_EQ(min, -1e6);
  EXPECT_EQ(curve.total().count, kSteps);
  EXPECT_NEAR(curve.total().sum, sum, 1e-6);
}

TEST(Curve, JoinsToAsFewPointsAsAreAskedForWithoutLosingExtremes) {
  Curve curve;
  for (int step = 0; step < 1000; ++step) curve.add(step, step == 777 ? 50.0 : 1.0);

  const std::vector<CurvePoint> points = curve.points(7);

  ASSERT_LE(points.size(), 7U);
  EXPECT_EQ(points[777 / 143].max, 50);
  EXPECT_EQ(points[777 / 143].min, 1);
}

TEST(Curve, LeavesAGapWhereNothingIsFinite) {
  Curve curve;
  curve.add(0, 1.0);
  curve.add(1, std::nan(""));
  curve.add(2, HUGE_VAL);
  curve.add(3, 2.0);

  const std::vector<CurvePoint> points = curve.points(100);

  ASSERT_THAT(points, SizeIs(4));
  EXPECT_TRUE(std::isnan(points[1].mean));
  EXPECT_TRUE(std::isnan(points[2].mean));
  EXPECT_EQ(curve.total().missing, 2);
  EXPECT_EQ(curve.total().count, 2);
}

TEST(Curve, DrawsNothingWhereNothingWasSaid) {
  Curve curve;
  curve.add(200, 5.0);
  curve.add(400, 4.0);

  EXPECT_THAT(curve.points(1000), SizeIs(2));
  EXPECT_THAT(Curve().points(10), IsEmpty());
}

TEST(Curve, MayBeginLateAndGoBackButNotBeforeItsFirstStep) {
  Curve curve;
  curve.add(1'000'000'000, 1.0);
  curve.add(1'000'000'500, 2.0);
  curve.add(1'000'000'100, 3.0);

  EXPECT_THAT(curve.points(1000), SizeIs(3));
  EXPECT_THROW(curve.add(5, 1.0), InvalidArgument);
}

TEST(Smoothing, LeavesAConstantAndASlopeAsTheyAre) {
  Curve constant;
  Curve slope;
  for (int step = 0; step < 100; ++step) {
    constant.add(step, 3.0);
    slope.add(step, step);
  }

  EXPECT_THAT(smoothed(constant.points(100), 10), Each(Field(&CurvePoint::mean, 3.0)));
  const std::vector<CurvePoint> line = smoothed(slope.points(100), 2);
  for (std::size_t at = 0; at < line.size(); ++at) {
    EXPECT_NEAR(line[at].mean, static_cast<double>(at), 1e-12);
  }
}

TEST(Smoothing, DoesNotBridgeGaps) {
  Curve curve;
  for (int step = 0; step < 20; ++step) curve.add(step, step == 9 ? std::nan("") : 1.0);

  const std::vector<CurvePoint> line = smoothed(curve.points(100), 5);

  EXPECT_TRUE(std::isnan(line[9].mean));
  EXPECT_EQ(line[8].mean, 1);
  EXPECT_EQ(line[10].mean, 1);
}

}  // namespace
}  // namespace softmoe::training
