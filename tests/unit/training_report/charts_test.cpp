#include <gmock/gmock.h>

#include <cmath>

#include "tests/unit/training_report/run_files.h"
#include "training/report/area_chart.h"
#include "training/report/heatmap.h"
#include "training/report/line_chart.h"

namespace softmoe::training {
namespace {

using testing::AllOf;
using testing::DoubleEq;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

const ChartText kText = {.id = "it", .title = "It", .unit = "units", .reading = "Read it."};

CurvePoint at(double step, double value) {
  return {.step = step, .mean = value, .min = value, .max = value};
}

template <class Chart>
std::string drawn(const Chart& chart) {
  Markup page;
  draw(page, chart);
  return page.html();
}

TEST(LineChart, PutsPointsWhereTheyBelong) {
  const std::string path = path_through({at(0, 0), at(5, 10), at(10, 5)}, Axis::exact(0, 10),
                                        Axis::rounded(0, 10, AxisKind::linear));

  EXPECT_EQ(path, "M0 1000L500 0L1000 500");
}

TEST(LineChart, BreaksTheLineAtAGapAndDotsALonelyPoint) {
  const std::string path = path_through({at(0, 0), at(2, 0), at(4, std::nan("")), at(5, 10),
                                         at(6, std::nan("")), at(8, 10), at(10, 10)},
                                        Axis::exact(0, 10), Axis::rounded(0, 10, AxisKind::linear));

  EXPECT_EQ(path, "M0 1000L200 1000M500 0h0M800 0L1000 0");
}

TEST(LineChart, SaysWhatItShowsAndHasItsNumbers) {
  const std::string html = drawn(LineChart{
      .text = kText, .lines = {{.name = "a", .colour = "c0", .points = {at(0, 1), at(3, 2)}}}});

  EXPECT_EQ(broken_nesting("<!>" + html), "");
  EXPECT_THAT(html,
              AllOf(HasSubstr("<title id=\"it-title\">It</title>"),
                    HasSubstr("<desc id=\"it-reading\">Read it.</desc>"), HasSubstr("role=\"img\""),
                    HasSubstr(">units<"), HasSubstr("<th scope=\"row\">3</th><td>2</td>")));
}

TEST(LineChart, SaysWhenThereIsNothingToDraw) {
  const std::string html =
      drawn(LineChart{.text = kText,
                      .lines = {{.name = "a", .colour = "c0", .points = {at(0, std::nan(""))}},
                                {.name = "b", .colour = "c1", .points = {}}}});

  EXPECT_THAT(html, AllOf(HasSubstr("Nothing to draw"), Not(HasSubstr("<svg"))));
}

TEST(LineChart, DrawsASingleStepAsADot) {
  const std::string html = drawn(
      LineChart{.text = kText, .lines = {{.name = "a", .colour = "c0", .points = {at(0, 4)}}}});

  EXPECT_THAT(html, AllOf(HasSubstr("class=\"line dots c0\""), HasSubstr("d=\"M500 500h0\"")));
}

TEST(LineChart, MarksOnlyWhatIsBetweenItsEnds) {
  const std::string html =
      drawn(LineChart{.text = kText,
                      .lines = {{.name = "a", .colour = "c0", .points = {at(0, 1), at(10, 2)}}},
                      .marks = {{.step = 5, .label = "in", .meaning = "budget 8 → 6"},
                                {.step = 11, .label = "out", .meaning = ""}}});

  EXPECT_THAT(html, AllOf(HasSubstr("<title>budget 8 → 6</title>in</text>"),
                          Not(HasSubstr(">out</text>"))));
}

TEST(AreaChart, StacksSharesUpToTheWhole) {
  const std::vector<AreaPart> parts = {
      {.name = "a", .colour = "c0", .points = {at(0, 1), at(1, 0), at(2, std::nan(""))}},
      {.name = "b", .colour = "c1", .points = {at(0, 3), at(1, 0), at(2, 2)}}};

  const auto ends = stacked_shares(parts);

  EXPECT_THAT(ends[0], ElementsAre(0.25, 0.25, 0.0));
  EXPECT_THAT(ends[1], ElementsAre(1.0, 1.0, 1.0));
}

TEST(AreaChart, HasGeometryForOneStep) {
  const std::string html =
      drawn(AreaChart{.text = kText,
                      .parts = {{.name = "a", .colour = "c0", .points = {at(7, 1)}}},
                      .steps = {7, 7}});

  EXPECT_THAT(html, HasSubstr("d=\"M0 0L1000 0L1000 1000L0 1000Z\""));
}

TEST(Heatmap, ColoursByTheRatioToTheMean) {
  Heatmap map{.text = kText, .rows = {}, .scale = HeatScale::ratio};

  EXPECT_EQ(heat_class(map, 1.0), "d8");
  EXPECT_EQ(heat_class(map, 2.0), "d12");
  EXPECT_EQ(heat_class(map, 0.5), "d4");
  EXPECT_EQ(heat_class(map, 1000.0), "d16");
  EXPECT_EQ(heat_class(map, 1e-9), "d0");
  EXPECT_EQ(heat_class(map, 0.0), "dead");
  EXPECT_EQ(heat_class(map, std::nan("")), "");
}

TEST(Heatmap, JoinsColumnsByTheirMeans) {
  const double none = std::nan("");

  const auto joined = with_columns_joined({{1, 3, none, 5, 7}, {none, none, 2, 2, 2}}, 3);

  ASSERT_THAT(joined, SizeIs(2));
  EXPECT_THAT(joined[0], ElementsAre(DoubleEq(2), DoubleEq(5), DoubleEq(7)));
  EXPECT_TRUE(std::isnan(joined[1][0]));
  EXPECT_THAT(with_columns_joined({{1, 2}}, 3)[0], ElementsAre(1, 2));
}

TEST(Heatmap, DrawsEqualNeighboursOfManyAsOneStroke) {
  Heatmap map{.text = kText,
              .rows = {std::vector<double>(200, 0.5), std::vector<double>(200, 0.5)},
              .last_column = 199};

  const std::string html = drawn(map);

  EXPECT_EQ(broken_nesting("<!>" + html), "");
  EXPECT_THAT(html, HasSubstr("d=\"M0 0.5h200M0 1.5h200\""));
}

}  // namespace
}  // namespace softmoe::training
