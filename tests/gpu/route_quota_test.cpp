// Choosing by a quota on a GPU equals the specification to the bit, given the same anchors.

#include "runtime/ops/route_quota.h"

#include <gmock/gmock.h>

#include <limits>

#include "runtime/ops/lapsum.h"
#include "tests/gpu/router_rows.h"

namespace softmoe {
namespace {

using test::BothResults;
using test::OnDevice;
using test::RowShape;

constexpr double kAlpha = 0.25;

struct QuotaCase {
  RowShape shape;
  std::vector<float> scores;
  std::vector<float> anchor;
  int at_least = 1;
  int at_most = 0;
  std::int64_t num_chosen = 0;
};

struct Chosen {
  std::vector<std::uint32_t> words;
  double cut_sum = 0;

  friend bool operator==(const Chosen&, const Chosen&) = default;
};

Chosen choose(OnDevice& device, const QuotaCase& one) {
  const View<std::uint32_t> words =
      device.saved.push<std::uint32_t>(one.shape.rows * ops::num_choice_words(one.shape.columns));
  const View<double> cut_sum = device.upload<double>({0.5});
  ops::route_quota({.choice = {.scores_RC = device.upload(one.scores, one.shape.tensor()),
                               .anchor_R2 = device.upload(one.anchor, {one.shape.rows, 2}),
                               .alpha = kAlpha,
                               .cut = 0.125,
                               .at_least = one.at_least,
                               .at_most = one.at_most},
                    .num_chosen = one.num_chosen,
                    .chosen_RW = words,
                    .cut_sum = cut_sum},
                   device.scratch, device.stream);
  return {.words = device.download(words), .cut_sum = device.download(cut_sum)[0]};
}

void expect_equals_the_reference(const QuotaCase& one) {
  const BothResults chosen([&](OnDevice& device) { return choose(device, one); });
  EXPECT_EQ(chosen.cuda.words, chosen.reference.words)
      << one.num_chosen << " of " << one.shape.rows << " rows of " << one.shape.columns << ", "
      << one.at_least << " to " << one.at_most;
  EXPECT_EQ(chosen.cuda.cut_sum, chosen.reference.cut_sum);
}

QuotaCase random_case(const RowShape& shape, std::uint64_t seed) {
  QuotaCase one{.shape = shape, .scores = test::hard_scores(shape, seed, kAlpha), .anchor = {}};
  OnDevice device(Backend::reference, 1, test::kRouterArena);
  const TensorView anchor = device.saved.push(DType::f32, {shape.rows, 2});
  ops::lapsum({.scores_RC = device.upload(one.scores, shape.tensor()),
               .k = std::min(2.0, 0.5 * static_cast<double>(shape.columns)),
               .alpha = kAlpha,
               .signed_f_RC = device.saved.push(DType::f32, shape.tensor()),
               .anchor_R2 = anchor},
              device.scratch, device.stream);
  one.anchor = device.download<float>(anchor);
  one.at_most = static_cast<int>(std::min<std::int64_t>(4, shape.columns));
  return one;
}

TEST(RouteQuotaOnGpu, EqualsTheReferenceOnEveryShape) {
  std::uint64_t seed = 1;
  for (const RowShape& shape : test::router_shapes()) {
    QuotaCase one = random_case(shape, ++seed);
    one.num_chosen = shape.rows + (one.at_most - 1) * shape.rows / 3;
    expect_equals_the_reference(one);
  }
}

TEST(RouteQuotaOnGpu, EqualsTheReferenceForEveryFloorCapAndNumber) {
  for (const std::int64_t columns : {1, 8, 33, 70}) {
    QuotaCase one = random_case({14, columns}, 200);
    for (one.at_least = 0; one.at_least <= 1; ++one.at_least) {
      for (const std::int64_t at_most : {std::int64_t{1}, columns / 2 + 1, columns}) {
        one.at_most = static_cast<int>(at_most);
        const std::int64_t least = 14 * one.at_least;
        const std::int64_t most = 14 * at_most;
        for (const std::int64_t number :
             {least, std::min(least + 1, most), (least + most) / 2, most}) {
          one.num_chosen = number;
          expect_equals_the_reference(one);
        }
      }
    }
  }
}

TEST(RouteQuotaOnGpu, SharesTiesInTheOrderOfRows) {
  QuotaCase one = random_case({150, 40}, 300);
  std::fill(one.scores.begin(), one.scores.end(), 1.0F);
  std::fill(one.anchor.begin(), one.anchor.end(), 0.0F);
  one.at_most = 35;
  for (one.num_chosen = 150; one.num_chosen <= 150 * 35; one.num_chosen += 637) {
    expect_equals_the_reference(one);
  }
}

TEST(RouteQuotaOnGpu, IsExactWhereScoresAreNotFinite) {
  QuotaCase one = random_case({30, 40}, 400);
  std::mt19937_64 random(5);
  for (float& score : one.scores) {
    const auto draw = random() % 8;
    if (draw == 0) score = std::numeric_limits<float>::quiet_NaN();
    if (draw == 1) score = -std::numeric_limits<float>::infinity();
    if (draw == 2) score = std::numeric_limits<float>::infinity();
    if (draw == 3) score = -0.0F;
  }
  for (const int at_most : {1, 5, 40}) {
    one.at_most = at_most;
    for (const std::int64_t number : {30, 30 * (1 + at_most) / 2, 30 * at_most}) {
      one.num_chosen = number;
      expect_equals_the_reference(one);
    }
  }
}

TEST(RouteQuotaOnGpu, TakesMoreKeysThanOneBlockCounts) {
  QuotaCase one = random_case({700, 24}, 500);
  one.num_chosen = 1500;
  expect_equals_the_reference(one);
}

}  // namespace
}  // namespace softmoe
