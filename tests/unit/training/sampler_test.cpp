#include "training/sampler.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <map>

#include "runtime/base/errors.h"

namespace softmoe::training {
namespace {

using testing::AllOf;
using testing::DoubleNear;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;
using testing::ThrowsMessage;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// Logits of which softmax makes these probabilities.
std::vector<float> logits_of(const std::vector<double>& probabilities) {
  std::vector<float> logits;
  for (const double p : probabilities) logits.push_back(static_cast<float>(std::log(p)));
  return logits;
}

std::vector<std::int32_t> tokens_of(const std::vector<Sampler::Candidate>& candidates) {
  std::vector<std::int32_t> tokens;
  for (const auto& candidate : candidates) tokens.push_back(candidate.token);
  return tokens;
}

/// How often each token comes in `draws` draws, one sequence each.
std::map<std::int32_t, int> histogram(const SamplingConfig& config, std::span<const float> logits_V,
                                      int draws) {
  Sampler sampler(config);
  std::map<std::int32_t, int> count;
  for (int i = 0; i < draws; ++i) ++count[sampler.draw(logits_V, {.sequence = i, .position = 7})];
  return count;
}

auto Is(std::int32_t token, double probability) {
  return AllOf(testing::Field(&Sampler::Candidate::token, token),
               // The logits carry 24 bits.
               testing::Field(&Sampler::Candidate::probability, DoubleNear(probability, 1e-6)));
}

TEST(Sampler, DrawsEveryTokenAsOftenAsItsProbabilitySays) {
  const std::vector<double> probabilities = {0.1, 0.5, 0.15, 0.25};
  constexpr int kDraws = 20'000;

  const auto count = histogram({.seed = 3}, logits_of(probabilities), kDraws);

  // Pearson's chi-square with 3 degrees of freedom exceeds 16.3 once in a thousand.
  double chi_square = 0;
  for (std::int32_t token = 0; token < 4; ++token) {
    const double expected = kDraws * probabilities[static_cast<std::size_t>(token)];
    chi_square += std::pow(count.at(token) - expected, 2) / expected;
  }
  EXPECT_LT(chi_square, 16.3);
}

TEST(Sampler, GivesTheProbabilitiesOfSoftmaxInFallingOrder) {
  Sampler sampler({});

  EXPECT_THAT(sampler.candidates(logits_of({0.2, 0.3, 0.4, 0.1})),
              ElementsAre(Is(2, 0.4), Is(1, 0.3), Is(0, 0.2), Is(3, 0.1)));
}

TEST(Sampler, DividesLogitsByTheTemperature) {
  Sampler cold({.temperature = 0.5});
  Sampler hot({.temperature = 2.0});
  const std::vector<float> logits = logits_of({0.8, 0.2});

  // p ^ (1 / temperature), renormalised: 0.64 : 0.04 and 0.894 : 0.447.
  EXPECT_THAT(cold.candidates(logits), ElementsAre(Is(0, 16.0 / 17), Is(1, 1.0 / 17)));
  EXPECT_THAT(hot.candidates(logits), ElementsAre(Is(0, 2.0 / 3), Is(1, 1.0 / 3)));
}

TEST(Sampler, TakesTheFirstOfTheLargestLogitsAtTemperatureZero) {
  const std::vector<float> logits = {-1, 3, 0, 3, 2};

  const auto count = histogram({.temperature = 0}, logits, 50);

  EXPECT_THAT(count, ElementsAre(testing::Pair(1, 50)));
}

TEST(Sampler, KeepsTheKMostProbableTokensAndRenormalisesThem) {
  Sampler sampler({.top_k = 2});

  EXPECT_THAT(sampler.candidates(logits_of({0.2, 0.3, 0.4, 0.1})),
              ElementsAre(Is(2, 4.0 / 7), Is(1, 3.0 / 7)));
}

TEST(Sampler, KeepsTheLowerIdsOfEqualTokens) {
  Sampler top_k({.top_k = 3});
  Sampler nucleus({.top_p = 0.3});
  const std::vector<float> equal(10, 0.5F);

  EXPECT_THAT(tokens_of(top_k.candidates(equal)), ElementsAre(0, 1, 2));
  EXPECT_THAT(tokens_of(nucleus.candidates(equal)), ElementsAre(0, 1, 2));
}

TEST(Sampler, EndsTheNucleusWithTheTokenThatReachesP) {
  const std::vector<float> logits = logits_of({0.2, 0.3, 0.4, 0.1});
  const auto nucleus = [&](double p) {
    return tokens_of(Sampler({.top_p = p}).candidates(logits));
  };

  EXPECT_THAT(nucleus(0.01), ElementsAre(2));
  EXPECT_THAT(nucleus(0.39), ElementsAre(2));
  EXPECT_THAT(nucleus(0.41), ElementsAre(2, 1));
  EXPECT_THAT(nucleus(0.69), ElementsAre(2, 1));
  EXPECT_THAT(nucleus(0.71), ElementsAre(2, 1, 0));
  EXPECT_THAT(nucleus(0.91), ElementsAre(2, 1, 0, 3));
  EXPECT_THAT(nucleus(1.0), ElementsAre(2, 1, 0, 3));
}

TEST(Sampler, CountsTheNucleusExactlyWhereTokensAreEqual) {
  const std::vector<float> equal(100, -2.0F);

  // 0.07 * 100 rounds to above 7.
  for (int tokens = 1; tokens <= 100; ++tokens) {
    EXPECT_THAT(Sampler({.top_p = tokens / 100.0}).candidates(equal), SizeIs(tokens));
  }
}

TEST(Sampler, MeasuresTheNucleusWithinTheKMostProbable) {
  // Of the two best, 4/7 is above 0.5, though 0.4 is not.
  Sampler sampler({.top_k = 2, .top_p = 0.5});

  EXPECT_THAT(sampler.candidates(logits_of({0.2, 0.3, 0.4, 0.1})), ElementsAre(Is(2, 1.0)));
}

TEST(Sampler, DrawsOnlyFromWhatItKeeps) {
  const auto count = histogram({.top_p = 0.6, .seed = 5}, logits_of({0.2, 0.3, 0.4, 0.1}), 2'000);

  EXPECT_THAT(count, ElementsAre(testing::Pair(1, testing::_), testing::Pair(2, testing::_)));
  EXPECT_NEAR(count.at(2) / 2'000.0, 4.0 / 7, 0.04);  // 3.6 standard deviations
}

TEST(Sampler, DependsOnSeedSequenceAndPositionAndNothingElse) {
  const std::vector<float> logits(1000, 0.0F);
  Sampler sampler({.seed = 1});
  Sampler twin({.seed = 1});
  Sampler other_seed({.seed = 2});

  const std::int32_t first = sampler.draw(logits, {.sequence = 4, .position = 9});
  const std::int32_t later = sampler.draw(logits, {.sequence = 4, .position = 10});
  const std::int32_t again = sampler.draw(logits, {.sequence = 4, .position = 9});

  EXPECT_EQ(again, first);
  EXPECT_EQ(twin.draw(logits, {.sequence = 4, .position = 9}), first);
  EXPECT_NE(later, first);
  EXPECT_NE(sampler.draw(logits, {.sequence = 5, .position = 9}), first);
  EXPECT_NE(other_seed.draw(logits, {.sequence = 4, .position = 9}), first);
}

TEST(Sampler, StandsLogitsAndTemperaturesOfAnySize) {
  Sampler sampler({.temperature = 1e-300});
  Sampler warm({});

  EXPECT_THAT(sampler.candidates(std::vector<float>{1e30F, -1e30F, 2e30F}),
              ElementsAre(Is(2, 1.0)));
  EXPECT_THAT(warm.candidates(std::vector<float>{3e38F, -3e38F, 3e38F}),
              ElementsAre(Is(0, 0.5), Is(2, 0.5)));
}

TEST(Sampler, NeverDrawsATokenOfMinusInfinity) {
  const auto count = histogram({}, std::vector<float>{-kInfinity, 0, -kInfinity, 0}, 200);

  EXPECT_THAT(count, ElementsAre(testing::Pair(1, testing::_), testing::Pair(3, testing::_)));
}

TEST(Sampler, RefusesLogitsThatAreNoNumbers) {
  Sampler sampler({});
  const auto draw = [&](std::vector<float> logits) {
    return [&sampler, logits] { (void)sampler.draw(logits, {}); };
  };

  EXPECT_THAT(draw({0, 1, NAN}), ThrowsMessage<InvalidArgument>(HasSubstr("token 2 is nan")));
  EXPECT_THAT(draw({0, kInfinity}), ThrowsMessage<InvalidArgument>(HasSubstr("token 1 is inf")));
  EXPECT_THAT(draw({-kInfinity}), ThrowsMessage<InvalidArgument>(HasSubstr("every logit")));
  EXPECT_THAT(draw({}), ThrowsMessage<InvalidArgument>(HasSubstr("no logits")));
}

TEST(Sampler, RefusesSettingsOutsideTheirLimits) {
  const auto make = [](SamplingConfig config) { return [config] { Sampler sampler(config); }; };

  EXPECT_THAT(make({.temperature = -0.5}),
              ThrowsMessage<InvalidArgument>(AllOf(HasSubstr("temperature"), HasSubstr("-0.5"))));
  EXPECT_THAT(make({.temperature = NAN}), ThrowsMessage<InvalidArgument>(HasSubstr("temperature")));
  EXPECT_THAT(make({.top_k = -1}), ThrowsMessage<InvalidArgument>(HasSubstr("top_k")));
  EXPECT_THAT(make({.top_p = 0}), ThrowsMessage<InvalidArgument>(HasSubstr("top_p")));
  EXPECT_THAT(make({.top_p = 1.01}), ThrowsMessage<InvalidArgument>(HasSubstr("top_p")));
}

}  // namespace
}  // namespace softmoe::training
