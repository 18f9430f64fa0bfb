#include "runtime/ops/route_measure.h"

#include <gmock/gmock.h>

#include <bit>
#include <limits>

#include "runtime/ops/lapsum.h"
#include "tests/gpu/orders.h"
#include "tests/gpu/router_rows.h"

namespace softmoe {
namespace {

using test::BothResults;
using test::OnDevice;
using test::RowShape;

// A routed batch as the specification makes it; both backends measure the same numbers.
struct Routed {
  RowShape shape;
  std::vector<float> scores;  // empty: chosen by hash
  std::vector<float> anchor;  // empty: chosen by rank
  std::vector<float> signed_f;
  std::vector<std::int32_t> row_begin;
  std::vector<std::int32_t> columns;
  std::vector<float> gates;
  double alpha = 0.25;
  double cut = 0;
  int at_least = 0;
  int at_most = 0;
};

struct Measured {
  std::vector<std::int64_t> counts;
  std::vector<std::int64_t> tallies;
  std::vector<std::int64_t> margins;
  std::vector<std::int64_t> sizes;
  std::vector<double> masses;

  bool operator==(const Measured&) const = default;

  void expect_counts(const Measured& other) const {
    EXPECT_EQ(counts, other.counts);
    EXPECT_EQ(tallies, other.tallies);
    EXPECT_EQ(margins, other.margins);
    EXPECT_EQ(sizes, other.sizes);
  }
};

// Sums start at numbers of their own, since everything is added to.
View<std::int64_t> started(OnDevice& device, std::int64_t size) {
  std::vector<std::int64_t> start(static_cast<std::size_t>(size));
  for (std::size_t i = 0; i < start.size(); ++i) {
    start[i] = (std::int64_t{1} << 40) + static_cast<std::int64_t>(i);
  }
  return device.upload(start);
}

ops::RouteChoice rule_of(OnDevice& device, const Routed& routed) {
  ops::RouteChoice choice{.alpha = routed.alpha,
                          .cut = routed.cut,
                          .at_least = routed.at_least,
                          .at_most = routed.at_most};
  if (!routed.scores.empty())
    choice.scores_RC = device.upload(routed.scores, routed.shape.tensor());
  if (!routed.anchor.empty())
    choice.anchor_R2 = device.upload(routed.anchor, {routed.shape.rows, 2});
  return choice;
}

Measured measure(OnDevice& device, const Routed& routed) {
  const auto entries = static_cast<std::int64_t>(routed.columns.size());
  ops::RouteGatesArguments gates{.sparse = {.row_begin_R1 = device.upload(routed.row_begin),
                                            .column_N = device.upload(routed.columns)},
                                 .gate_N = device.upload(routed.gates, {entries})};
  if (!routed.scores.empty()) {
    gates.signed_f_RC = device.upload(routed.signed_f, routed.shape.tensor());
  }
  const ops::RouteMeasures measures{.count_C = started(device, routed.shape.columns),
                                    .tallies = started(device, ops::kNumRouteTallies),
                                    .margin_bins = started(device, ops::kRouteMarginBins),
                                    .size_bins = started(device, ops::kRouteSizeBins),
                                    .masses = device.upload<double>({1.0, 2.0, 3.0, 4.0})};
  ops::route_measure({.choice = rule_of(device, routed), .gates = gates, .mass = 1.5}, measures,
                     device.scratch, device.stream);
  return {.counts = device.download(measures.count_C),
          .tallies = device.download(measures.tallies),
          .margins = device.download(measures.margin_bins),
          .sizes = device.download(measures.size_bins),
          .masses = device.download(measures.masses)};
}

// LapSum, or nothing but numbers where there are no rows.
void solve(Routed& routed) {
  OnDevice device(Backend::reference, 1, test::kRouterArena);
  const ops::LapsumArguments lapsum{
      .scores_RC = device.upload(routed.scores, routed.shape.tensor()),
      .k = std::min(1.5, 0.5 * static_cast<double>(routed.shape.columns)),
      .alpha = routed.alpha,
      .signed_f_RC = device.saved.push(DType::f32, routed.shape.tensor()),
      .anchor_R2 = device.saved.push(DType::f32, {routed.shape.rows, 2})};
  ops::lapsum(lapsum, device.scratch, device.stream);
  routed.signed_f = device.download<float>(lapsum.signed_f_RC);
  routed.anchor = device.download<float>(lapsum.anchor_R2);
}

// What was chosen need not be what the rule would choose: some rows have none, some all.
Routed random_routed(const RowShape& shape, std::uint64_t seed) {
  Routed routed{.shape = shape, .scores = test::hard_scores(shape, seed, 0.25)};
  solve(routed);
  std::mt19937_64 random(seed);
  routed.row_begin = {0};
  for (std::int64_t row = 0; row < shape.rows; ++row) {
    for (std::int64_t column = 0; column < shape.columns; ++column) {
      const bool is_chosen = row % 9 == 8 || (row % 4 != 3 && random() % 5 == 0);
      if (is_chosen) routed.columns.push_back(static_cast<std::int32_t>(column));
    }
    routed.row_begin.push_back(static_cast<std::int32_t>(routed.columns.size()));
  }
  routed.gates = test::normals(static_cast<std::int64_t>(routed.columns.size()), seed + 1);
  routed.cut = -0.4;
  routed.at_least = 1;
  routed.at_most = static_cast<int>(std::min<std::int64_t>(4, shape.columns));
  return routed;
}

void expect_equals_the_reference(const Routed& routed) {
  SCOPED_TRACE(testing::Message() << routed.shape.rows << " rows of " << routed.shape.columns
                                  << ", at least " << routed.at_least << ", at most "
                                  << routed.at_most);
  const BothResults measured([&](OnDevice& device) { return measure(device, routed); });

  measured.cuda.expect_counts(measured.reference);
  EXPECT_TRUE(test::near(measured.cuda.masses, measured.reference.masses, test::kF64Rounding));
}

TEST(RouteMeasureOnGpu, EqualsTheReferenceOnEveryShape) {
  std::uint64_t seed = 1;
  for (const RowShape& shape : test::router_shapes()) {
    expect_equals_the_reference(random_routed(shape, seed += 2));
  }
}

TEST(RouteMeasureOnGpu, EqualsTheReferenceForEveryCutFloorAndCap) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for (const std::int64_t columns : {1, 8, 40}) {
    Routed routed = random_routed({37, columns}, 300);
    const auto all = static_cast<int>(columns);
    for (const double cut : {-kInfinity, -2.0, 0.0, 0.25, kInfinity}) {
      for (const auto& [at_least, at_most] :
           {std::pair{0, 0}, {0, all}, {1, 1}, {1, all}, {all / 2, all}, {all, all}}) {
        routed.cut = cut;
        routed.at_least = at_least;
        routed.at_most = at_most;
        expect_equals_the_reference(routed);
      }
    }
  }
}

TEST(RouteMeasureOnGpu, EqualsTheReferenceWithoutAnAnchor) {
  for (const std::int64_t columns : {1, 8, 100}) {
    Routed routed = random_routed({37, columns}, 400);
    routed.anchor.clear();
    for (const std::int64_t at_least : {std::int64_t{0}, std::int64_t{1}, columns / 2, columns}) {
      routed.at_least = static_cast<int>(at_least);
      routed.at_most = static_cast<int>(columns);
      expect_equals_the_reference(routed);
    }
  }
}

TEST(RouteMeasureOnGpu, EqualsTheReferenceWithoutScores) {
  Routed routed = random_routed({37, 600}, 500);
  routed.scores.clear();
  routed.anchor.clear();

  expect_equals_the_reference(routed);
}

TEST(RouteMeasureOnGpu, EqualsTheReferenceOnNan) {
  Routed by_anchor = random_routed({20, 40}, 600);
  for (std::size_t row = 0; row < 20; row += 3) {
    by_anchor.scores[row * 40 + 35] = std::numeric_limits<float>::quiet_NaN();
  }
  by_anchor.anchor[3] = std::numeric_limits<float>::quiet_NaN();  // of row 1: every u is NaN
  Routed by_rank = by_anchor;
  by_rank.anchor.clear();
  for (const Routed& routed : {by_anchor, by_rank}) {
    for (const int at_least : {1, 39}) {
      Routed one = routed;
      one.at_least = at_least;
      one.at_most = 40;
      const BothResults measured([&](OnDevice& device) { return measure(device, one); });

      measured.cuda.expect_counts(measured.reference);
    }
  }
}

// u = score: margins on the edges of bins that f32 has, the even powers of sqrt(2), and beside
// them.
TEST(RouteMeasureOnGpu, PutsMarginsOnTheEdgesOfBinsWhereTheReferenceDoes) {
  Routed routed{.shape = {54, 1}, .alpha = 1, .cut = 0, .at_least = 0, .at_most = 1};
  routed.row_begin.assign(55, 0);
  for (int power = -11; power <= 6; ++power) {
    const auto edge = static_cast<float>(std::exp2(power));
    for (const float score : {std::nextafter(edge, 0.0F), edge, std::nextafter(edge, 99.0F)}) {
      routed.scores.push_back(score);
      routed.signed_f.push_back(0.25F);
      routed.anchor.insert(routed.anchor.end(), {0.0F, 0.0F});
    }
  }

  expect_equals_the_reference(routed);
}

TEST(RouteMeasureOnGpu, GivesTheSameBitsInEveryOrder) {
  const Routed routed = random_routed({200, 33}, 700);
  OnDevice device(Backend::cuda, 1, test::kRouterArena);

  test::expect_equal_in_every_order([&] { return measure(device, routed); });
}

}  // namespace
}  // namespace softmoe
