// Choosing on a GPU equals the specification to the bit, given the same anchors.

#include "runtime/ops/route_select.h"

#include <gmock/gmock.h>

#include <limits>

#include "runtime/ops/lapsum.h"
#include "tests/gpu/router_rows.h"

namespace softmoe {
namespace {

using test::BothResults;
using test::OnDevice;
using test::RowShape;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

struct Selection {
  RowShape shape;
  std::vector<float> scores;
  std::vector<float> anchor;  // empty: none
  double alpha = 1;
  double cut = 0;
  int at_least = 0;
  int at_most = 0;
};

std::vector<std::uint32_t> select(OnDevice& device, const Selection& one) {
  const View<std::uint32_t> chosen =
      device.saved.push<std::uint32_t>(one.shape.rows * ops::num_choice_words(one.shape.columns));
  const ConstTensorView anchor =
      one.anchor.empty() ? TensorView{} : device.upload(one.anchor, {one.shape.rows, 2});
  ops::route_select({.scores_RC = device.upload(one.scores, one.shape.tensor()),
                     .anchor_R2 = anchor,
                     .alpha = one.alpha,
                     .cut = one.cut,
                     .at_least = one.at_least,
                     .at_most = one.at_most},
                    chosen, device.scratch, device.stream);
  return device.download(chosen);
}

void expect_equals_the_reference(const Selection& one) {
  const BothResults chosen([&](OnDevice& device) { return select(device, one); });
  EXPECT_EQ(chosen.cuda, chosen.reference)
      << one.shape.rows << " rows of " << one.shape.columns << ", cut " << one.cut << ", at least "
      << one.at_least << ", at most " << one.at_most;
}

// (c, delta) as LapSum gives them, by the specification.
std::vector<float> anchors(const RowShape& shape, const std::vector<float>& scores, double alpha) {
  OnDevice device(Backend::reference, 1, test::kRouterArena);
  const TensorView anchor = device.saved.push(DType::f32, {shape.rows, 2});
  ops::lapsum({.scores_RC = device.upload(scores, shape.tensor()),
               .k = std::min(2.0, 0.5 * static_cast<double>(shape.columns)),
               .alpha = alpha,
               .signed_f_RC = device.saved.push(DType::f32, shape.tensor()),
               .anchor_R2 = anchor},
              device.scratch, device.stream);
  return device.download<float>(anchor);
}

Selection random_selection(const RowShape& shape, std::uint64_t seed) {
  Selection one{.shape = shape, .scores = test::hard_scores(shape, seed, 0.25), .alpha = 0.25};
  one.anchor = anchors(shape, one.scores, one.alpha);
  return one;
}

TEST(RouteSelectOnGpu, EqualsTheReferenceOnEveryShape) {
  std::uint64_t seed = 1;
  for (const RowShape& shape : test::router_shapes()) {
    Selection one = random_selection(shape, ++seed);
    one.cut = -0.7;
    one.at_least = 1;
    one.at_most = static_cast<int>(std::min<std::int64_t>(4, shape.columns));
    expect_equals_the_reference(one);
  }
}

// The rows have ties across the cap, all-equal scores, and gaps; the window goes from shut to open.
TEST(RouteSelectOnGpu, EqualsTheReferenceForEveryCutFloorAndCap) {
  for (const std::int64_t columns : {1, 8, 33, 70}) {
    Selection one = random_selection({14, columns}, 200);
    const auto all = static_cast<int>(columns);
    for (const double cut : {-kInfinity, -2.0, 0.0, 0.25, 3.0, kInfinity}) {
      for (const auto& [at_least, at_most] :
           {std::pair{0, 0}, {0, 1}, {0, all}, {1, 1}, {1, all}, {all / 2, all}, {all, all}}) {
        one.cut = cut;
        one.at_least = at_least;
        one.at_most = at_most;
        expect_equals_the_reference(one);
      }
    }
  }
}

TEST(RouteSelectOnGpu, ChoosesTheBestWithoutAnAnchor) {
  for (const std::int64_t columns : {1, 7, 64, 300}) {
    Selection one{.shape = {21, columns}, .scores = test::hard_scores({21, columns}, 300)};
    for (const std::int64_t at_least : {std::int64_t{0}, std::int64_t{1}, columns / 3, columns}) {
      one.at_least = static_cast<int>(at_least);
      one.at_most = static_cast<int>(columns);
      expect_equals_the_reference(one);
    }
  }
}

TEST(RouteSelectOnGpu, BreaksTiesByTheSmallerColumnAndRanksNanLast) {
  OnDevice device(Backend::cuda, 1, test::kRouterArena);
  const auto best_two = [&](std::vector<float> scores) {
    const auto columns = static_cast<std::int64_t>(scores.size());
    return select(
        device, {.shape = {1, columns}, .scores = std::move(scores), .at_least = 2, .at_most = 2});
  };

  EXPECT_THAT(best_two({1, 3, 3, 3}), testing::ElementsAre(0b0110U));
  EXPECT_THAT(best_two({-0.0F, 0.0F, -1, 0.0F}), testing::ElementsAre(0b0011U));  // zeros tie
  EXPECT_THAT(best_two({kNan, -5, kNan, -7}), testing::ElementsAre(0b1010U));
  EXPECT_THAT(best_two({kNan, kNan, kNan}), testing::ElementsAre(0b011U));
  std::vector<float> across_words(40, 2.0F);
  across_words[35] = 9;
  EXPECT_THAT(best_two(across_words), testing::ElementsAre(1U, 1U << 3));
}

TEST(RouteSelectOnGpu, EqualsTheReferenceOnNanAndInfiniteScores) {
  Selection one = random_selection({30, 40}, 400);
  std::mt19937_64 random(5);
  for (float& score : one.scores) {
    const auto draw = random() % 12;
    if (draw == 0) score = kNan;
    if (draw == 1) score = -std::numeric_limits<float>::infinity();
    if (draw == 2) score = std::numeric_limits<float>::infinity();
    if (draw == 3) score = 1e-42F;  // not normal
    if (draw == 4) score = -0.0F;
  }
  for (const int at_most : {1, 5, 20, 39, 40}) {
    one.at_least = 1;
    one.at_most = at_most;
    expect_equals_the_reference(one);
  }
}

TEST(RouteHashOnGpu, EqualsTheReference) {
  struct Case {
    int count;
    std::int64_t columns;
  };
  for (const auto& [count, columns] :
       {Case{0, 1}, {1, 1}, {2, 8}, {8, 8}, {3, 32}, {5, 33}, {33, 33}, {64, 100}, {9, 4096}}) {
    for (const std::int64_t num_rows : test::kRowCounts) {
      const std::vector<std::int32_t> ids = test::integers(num_rows, 50'000, 3);
      const BothResults chosen([&, count = count, columns = columns](OnDevice& device) {
        const View<std::uint32_t> words =
            device.saved.push<std::uint32_t>(num_rows * ops::num_choice_words(columns));
        ops::route_hash(
            {.id_R = device.upload(ids),
             .key = {.seed = 5, .purpose = RandomPurpose::hash_routing, .step = 0, .layer = 3},
             .count = count,
             .columns = columns,
             .chosen_RW = words},
            device.stream);
        return device.download(words);
      });

      EXPECT_EQ(chosen.cuda, chosen.reference)
          << num_rows << " rows, " << count << " of " << columns;
    }
  }
}

}  // namespace
}  // namespace softmoe
