#include "runtime/ops/route_quota.h"

#include <gmock/gmock.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include "tests/support/on_device.h"

namespace softmoe {
namespace {

using test::OnDevice;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// Rows of scores and what is to be chosen of them.
struct QuotaCase {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::vector<float> scores;
  std::vector<float> anchor;  ///< (c, delta) of each row
  double alpha = 1.0;
  double cut = 0.0;
  int at_least = 1;
  int at_most = 0;
  std::int64_t num_chosen = 0;
};

struct Chosen {
  std::vector<std::uint32_t> words;
  double cut_sum = 0;

  [[nodiscard]] bool has(const QuotaCase& of, std::int64_t row, std::int64_t column) const {
    const auto word =
        static_cast<std::size_t>(row * ops::num_choice_words(of.columns) + column / 32);
    return (words[word] >> (column % 32) & 1U) != 0;
  }
  [[nodiscard]] std::int64_t size() const {
    std::int64_t count = 0;
    for (const std::uint32_t word : words) count += std::popcount(word);
    return count;
  }
};

template <class T = float>
Chosen choose(OnDevice& device, const QuotaCase& one) {
  const View<std::uint32_t> words =
      device.saved.push<std::uint32_t>(one.rows * ops::num_choice_words(one.columns));
  const View<double> cut_sum = device.upload<double>({0.0});
  ops::route_quota(
      {.choice = {.scores_RC = device.upload(std::vector<T>(one.scores.begin(), one.scores.end()),
                                             {one.rows, one.columns}),
                  .anchor_R2 = device.upload(std::vector<T>(one.anchor.begin(), one.anchor.end()),
                                             {one.rows, 2}),
                  .alpha = one.alpha,
                  .cut = one.cut,
                  .at_least = one.at_least,
                  .at_most = one.at_most},
       .num_chosen = one.num_chosen,
       .chosen_RW = words,
       .cut_sum = cut_sum},
      device.scratch, device.stream);
  return {.words = device.download(words), .cut_sum = device.download(cut_sum)[0]};
}

/// The columns that each row has, as one digit each.
std::vector<std::string> columns_of(const QuotaCase& one, const Chosen& chosen) {
  std::vector<std::string> result;
  for (std::int64_t row = 0; row < one.rows; ++row) {
    std::string columns;
    for (std::int64_t column = 0; column < one.columns; ++column) {
      if (chosen.has(one, row, column)) columns += static_cast<char>('0' + column);
    }
    result.push_back(columns);
  }
  return result;
}

/// Three rows whose u are their scores.
QuotaCase three_rows(std::vector<float> scores) {
  QuotaCase one{.rows = 3, .columns = 4, .scores = std::move(scores), .anchor = {}, .at_most = 4};
  one.anchor.assign(6, 0.0F);
  return one;
}

class RouteQuota : public ::testing::TestWithParam<Backend> {};

TEST_P(RouteQuota, KeepsTheBestOfEveryRowAndThenTheBestOfAll) {
  OnDevice device(GetParam());
  QuotaCase one = three_rows({9, 8, 7, 1,    //
                              6, 5, -3, -4,  //
                              -5, -6, -7, -8});
  one.num_chosen = 6;

  const Chosen chosen = choose(device, one);

  EXPECT_THAT(columns_of(one, chosen), ElementsAre("012", "01", "0"));
  EXPECT_EQ(chosen.cut_sum, 3 * 1.0);  // the best pair left out is (0, 3)
}

TEST_P(RouteQuota, LeavesRowsWithoutAFloorEmpty) {
  OnDevice device(GetParam());
  QuotaCase one = three_rows({9, 8, 7, 1, 6, 5, -3, -4, -5, -6, -7, -8});
  one.at_least = 0;
  one.num_chosen = 4;

  const Chosen chosen = choose(device, one);

  EXPECT_THAT(columns_of(one, chosen), ElementsAre("012", "0", ""));
  EXPECT_EQ(chosen.cut_sum, 3 * 5.0);
}

TEST_P(RouteQuota, TakesNoMoreOfARowThanItsCap) {
  OnDevice device(GetParam());
  QuotaCase one = three_rows({9, 8, 7, 1, 6, 5, -3, -4, -5, -6, -7, -8});
  one.at_most = 2;
  one.num_chosen = 5;

  const Chosen chosen = choose(device, one);

  EXPECT_THAT(columns_of(one, chosen), ElementsAre("01", "01", "0"));
  EXPECT_EQ(chosen.cut_sum, 3 * -6.0);  // 7 and 1 lie beyond the cap: they are not left out
}

TEST_P(RouteQuota, OrdersByUAndNotByScore) {
  OnDevice device(GetParam());
  QuotaCase one = three_rows({9, 8, 7, 1, 6, 5, -3, -4, -5, -6, -7, -8});
  one.alpha = 0.5;
  one.anchor = {9, 0, 5, 1, -5, 4};  // u: 0 -2 -4 -16 | 3 1 -15 -17 | 4 2 0 -2
  one.num_chosen = 6;

  const Chosen chosen = choose(device, one);

  EXPECT_THAT(columns_of(one, chosen), ElementsAre("0", "01", "012"));
  EXPECT_EQ(chosen.cut_sum, 3 * -2.0);
}

TEST_P(RouteQuota, BreaksTiesByRowAndThenByColumn) {
  OnDevice device(GetParam());
  QuotaCase one = three_rows(std::vector<float>(12, 0.5F));
  one.at_most = 3;
  one.num_chosen = 6;

  const Chosen chosen = choose(device, one);

  // (0, 0), (1, 0), (2, 0) by the floor; then (0, 1), (0, 2), (1, 1).
  EXPECT_THAT(columns_of(one, chosen), ElementsAre("012", "01", "0"));
  EXPECT_EQ(chosen.cut_sum, 3 * 0.5);
}

TEST_P(RouteQuota, TakesTwoZerosForEqual) {
  OnDevice device(GetParam());
  QuotaCase one = three_rows({1, -0.0F, -9, -9, 1, 0.0F, -9, -9, 1, -9, -9, -9});
  one.anchor = {0, -0.0F, 0, 0, 0, 0};  // u of (0, 1) is -0, that of (1, 1) is 0
  one.num_chosen = 4;

  EXPECT_THAT(columns_of(one, choose(device, one)), ElementsAre("01", "0", "0"));
}

TEST_P(RouteQuota, AtItsLeastHasTheFloorAlone) {
  OnDevice device(GetParam());
  QuotaCase one = three_rows({9, 8, 7, 1, 6, 5, -3, -4, -5, -6, -7, -8});
  one.num_chosen = 3;

  const Chosen chosen = choose(device, one);

  EXPECT_THAT(columns_of(one, chosen), ElementsAre("0", "0", "0"));
  EXPECT_EQ(chosen.cut_sum, 3 * 8.0);
}

TEST_P(RouteQuota, AtItsMostHasEveryPairAndCutsAtTheWorst) {
  OnDevice device(GetParam());
  QuotaCase one = three_rows({9, 8, 7, 1, 6, 5, -3, -4, -5, -6, -7, -8});
  one.num_chosen = 12;

  const Chosen chosen = choose(device, one);

  EXPECT_THAT(columns_of(one, chosen), ElementsAre("0123", "0123", "0123"));
  EXPECT_EQ(chosen.cut_sum, 3 * -8.0);
}

TEST_P(RouteQuota, WithNothingToDecideHasTheCutOfTheRule) {
  OnDevice device(GetParam());
  QuotaCase one = three_rows({9, 8, 7, 1, 6, 5, -3, -4, -5, -6, -7, -8});
  one.at_most = 1;
  one.num_chosen = 3;
  one.cut = 0.75;

  const Chosen chosen = choose(device, one);

  EXPECT_THAT(columns_of(one, chosen), ElementsAre("0", "0", "0"));
  EXPECT_EQ(chosen.cut_sum, 3 * 0.75);
}

TEST_P(RouteQuota, AddsNothingForNoRows) {
  OnDevice device(GetParam());
  const QuotaCase one{.rows = 0, .columns = 4, .scores = {}, .anchor = {}, .at_most = 4};

  const Chosen chosen = choose(device, one);

  EXPECT_EQ(chosen.size(), 0);
  EXPECT_EQ(chosen.cut_sum, 0.0);
}

TEST_P(RouteQuota, IsExactWhateverTheScores) {
  OnDevice device(GetParam());
  QuotaCase one = three_rows({kNan, kNan, kNan, kNan,          //
                              kInfinity, -kInfinity, kNan, 1,  //
                              -kInfinity, -kInfinity, 1e38F, 0});
  for (one.at_least = 0; one.at_least <= 1; ++one.at_least) {
    for (one.at_most = 1; one.at_most <= 4; ++one.at_most) {
      for (one.num_chosen = 3 * one.at_least; one.num_chosen <= 3 * one.at_most; ++one.num_chosen) {
        const Chosen chosen = choose(device, one);
        ASSERT_EQ(chosen.size(), one.num_chosen) << one.at_least << " " << one.at_most;
        ASSERT_LE(std::abs(chosen.cut_sum), 3 * ops::kMaxQuotaCut);
      }
    }
  }
}

TEST_P(RouteQuota, RefusesANumberBeyondFloorsAndCaps) {
  OnDevice device(GetParam());
  QuotaCase one = three_rows(std::vector<float>(12, 0.0F));
  one.at_most = 2;
  one.num_chosen = 7;
  EXPECT_THAT([&] { (void)choose(device, one); },
              ThrowsMessage<InvalidArgument>(HasSubstr("7 pairs of 3 rows, but a row has at least "
                                                       "1 and at most 2: from 3 to 6")));
  one.num_chosen = 2;
  EXPECT_THROW((void)choose(device, one), InvalidArgument);
  one.num_chosen = 4;
  one.anchor.pop_back();
  one.anchor.pop_back();
  one.rows = 2;
  one.scores.resize(8);
  one.alpha = 0.0;
  EXPECT_THAT([&] { (void)choose(device, one); },
              ThrowsMessage<InvalidArgument>(HasSubstr("temperature is 0")));
}

INSTANTIATE_TEST_SUITE_P(Backends, RouteQuota, ::testing::Values(Backend::cpu, Backend::reference));

/// Scores of several kinds: normal, whole numbers (ties), all equal, far apart, with NaN.
QuotaCase random_case(std::mt19937_64& random) {
  constexpr std::int64_t kRows[] = {1, 2, 15, 16, 17, 33, 200};
  constexpr std::int64_t kColumns[] = {1, 2, 5, 8, 16, 31, 32, 33, 40, 100};
  std::normal_distribution<float> normal;
  QuotaCase one{
      .rows = kRows[random() % 7], .columns = kColumns[random() % 10], .scores = {}, .anchor = {}};
  const auto kind = random() % 5;
  for (std::int64_t i = 0; i < one.rows * one.columns; ++i) {
    const float draw = normal(random);
    const float kinds[] = {draw, std::round(draw), 0.25F, 100 * draw,
                           random() % 50 == 0 ? kNan : draw};
    one.scores.push_back(kinds[kind]);
  }
  for (std::int64_t row = 0; row < one.rows; ++row) {
    one.anchor.push_back(kind == 1 ? 0.0F : normal(random));
    one.anchor.push_back(kind == 1 ? 0.0F : normal(random));
  }
  one.alpha = kind == 1 ? 1.0 : 0.3 + static_cast<double>(random() % 10) / 4;
  one.at_least = static_cast<int>(random() % 2);
  one.at_most = 1 + static_cast<int>(random() % static_cast<std::uint64_t>(one.columns));
  const std::int64_t least = one.rows * one.at_least;
  const std::int64_t most = one.rows * one.at_most;
  one.num_chosen =
      least + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(most - least + 1));
  return one;
}

TEST(RouteQuotaOnTheProcessor, EqualsTheSpecificationToTheBitForAnyNumberOfThreads) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 400; ++round) {
    const QuotaCase one = random_case(random);
    OnDevice specification(Backend::reference, 1, Bytes{4 << 20});
    OnDevice alone(Backend::cpu, 1, Bytes{4 << 20});
    OnDevice threads(Backend::cpu, 3, Bytes{4 << 20});

    const Chosen expected = choose(specification, one);

    ASSERT_EQ(expected.size(), one.num_chosen);
    for (OnDevice* device : {&alone, &threads}) {
      const Chosen chosen = choose(*device, one);
      ASSERT_EQ(chosen.words, expected.words)
          << round << ": " << one.rows << " rows of " << one.columns << ", " << one.at_least
          << " to " << one.at_most;
      ASSERT_EQ(chosen.cut_sum, expected.cut_sum) << round;
    }
  }
}

TEST(RouteQuotaOnTheProcessor, TakesScoresInDoublePrecision) {
  OnDevice device;
  QuotaCase one = three_rows({9, 8, 7, 1, 6, 5, -3, -4, -5, -6, -7, -8});
  one.num_chosen = 6;

  EXPECT_THAT(columns_of(one, choose<double>(device, one)), ElementsAre("012", "01", "0"));
}

TEST(RouteQuotaOnTheProcessor, ChoosesWhatLiesAboveTheCut) {
  std::mt19937_64 random(12);
  std::normal_distribution<float> normal;
  QuotaCase one{.rows = 64, .columns = 24, .scores = {}, .anchor = {}, .at_most = 6};
  for (int i = 0; i < 64 * 24; ++i) one.scores.push_back(normal(random));
  one.anchor.assign(128, 0.0F);
  one.num_chosen = 200;
  OnDevice device;
  const Chosen chosen = choose(device, one);
  const View<std::uint32_t> words = device.saved.push<std::uint32_t>(64);

  ops::route_select({.scores_RC = device.upload(one.scores, {64, 24}),
                     .anchor_R2 = device.upload(one.anchor, {64, 2}),
                     .cut = chosen.cut_sum / 64,
                     .at_least = 1,
                     .at_most = 6},
                    words, device.scratch, device.stream);

  EXPECT_EQ(device.download(words), chosen.words);
}

}  // namespace
}  // namespace softmoe
