#include "runtime/base/philox.h"

#include <gmock/gmock.h>

namespace softmoe {
namespace {

using testing::ElementsAre;

// Known answers of Random123, file kat_vectors, philox4x32 with 10 rounds. A counter {c0, c1, c2,
// c3} is index {c0, c1}, purpose and layer and block {c2}, step {c3}.
TEST(Philox, GivesTheKnownAnswerForZeros) {
  const RandomKey key{.seed = 0, .purpose = RandomPurpose{0}, .step = 0, .layer = 0};

  EXPECT_THAT(philox(key, 0), ElementsAre(0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8));
}

TEST(Philox, GivesTheKnownAnswerForOnes) {
  // Purpose takes the upper 8 bits of c2, layer and block 12 each.
  const RandomKey key{.seed = ~std::uint64_t{0},
                      .purpose = RandomPurpose{0xff},
                      .step = 0xffffffff,
                      .layer = 0xfff};

  EXPECT_THAT(philox(key, ~std::uint64_t{0}, 0xfff),
              ElementsAre(0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd));
}

TEST(Philox, GivesTheKnownAnswerForTheDigitsOfPi) {
  const RandomKey key{.seed = 0x299f31d0a4093822,
                      .purpose = RandomPurpose{0x13},
                      .step = 0x03707344,
                      .layer = 0x198};

  EXPECT_THAT(philox(key, 0x85a308d3243f6a88, 0xa2e),
              ElementsAre(0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1));
}

TEST(Philox, GivesOtherWordsForEveryPartOfItsName) {
  const RandomKey key{.seed = 1, .purpose = RandomPurpose::test, .step = 2, .layer = 3};
  const auto words = philox(key, 4, 5);

  RandomKey other = key;
  other.seed = 9;
  EXPECT_NE(philox(other, 4, 5), words);
  other = key;
  other.purpose = RandomPurpose::gate_noise;
  EXPECT_NE(philox(other, 4, 5), words);
  other = key;
  other.step = 9;
  EXPECT_NE(philox(other, 4, 5), words);
  other = key;
  other.layer = 9;
  EXPECT_NE(philox(other, 4, 5), words);
  EXPECT_NE(philox(key, 9, 5), words);
  EXPECT_NE(philox(key, 4, 9), words);
}

TEST(UniformFrom, StaysBelowOne) {
  EXPECT_EQ(uniform_from(0), 0.0);
  EXPECT_LT(uniform_from(0xffffffff), 1.0);
  EXPECT_EQ(uniform_from(0x80000000), 0.5);
}

TEST(NormalFrom, HasTheMomentsOfANormalNumber) {
  constexpr int kPairs = 100'000;
  double mean = 0;
  double variance = 0;
  double fourth = 0;
  double product = 0;
  for (int i = 0; i < kPairs; ++i) {
    const auto words = philox({.seed = 7}, static_cast<std::uint64_t>(i));
    const auto [x, y] = normal_from(words[0], words[1]);
    mean += (x + y) / (2 * kPairs);
    variance += (x * x + y * y) / (2 * kPairs);
    fourth += (x * x * x * x + y * y * y * y) / (2 * kPairs);
    product += x * y / kPairs;
  }

  // Five standard errors over 200,000 numbers: 1, sqrt(2), sqrt(96) over their root, and 1 over the
  // root of the pairs.
  EXPECT_NEAR(mean, 0, 5 * 0.00224);
  EXPECT_NEAR(variance, 1, 5 * 0.00316);
  EXPECT_NEAR(fourth, 3, 5 * 0.0219);
  EXPECT_NEAR(product, 0, 5 * 0.00316);
}

TEST(NormalFrom, IsFiniteForTheSmallestWord) {
  EXPECT_TRUE(std::isfinite(normal_from(0, 0)[0]));
}

}  // namespace
}  // namespace softmoe
