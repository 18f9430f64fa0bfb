#include "training/data/bigram.h"

#include <gmock/gmock.h>

#include <cmath>
#include <map>
#include <random>

#include "runtime/storage/posix_file_system.h"
#include "tests/support/storage_error_matcher.h"
#include "tests/support/temporary_directory.h"

namespace softmoe::training {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;
using Tokens = std::vector<std::int32_t>;

// Sums of logarithms in double: differences come from their order alone.
constexpr double kRounding = 1e-12;

/// A text in which token a is followed by 3a + 1 with probability 0.8, else by any token.
Tokens chain(std::size_t size, int vocab_size, unsigned seed) {
  std::mt19937 random(seed);
  Tokens tokens(size);
  for (std::size_t i = 1; i < size; ++i) {
    const bool follows = random() % 10 < 8;
    tokens[i] = follows ? (3 * tokens[i - 1] + 1) % vocab_size
                        : static_cast<int>(random() % static_cast<unsigned>(vocab_size));
  }
  return tokens;
}

class BigramTest : public testing::Test {
 protected:
  TokenSource source(const Tokens& tokens, std::int64_t sequence_length, std::int64_t vocab_size) {
    const storage::Path path = directory_ / std::to_string(num_files_++);
    TokenFileWriter writer(files_, path, TokenFormat::llmc, 65'536);
    writer.append(tokens);
    writer.finish();
    return {TokenStream(files_, {path}, TokenFormat::llmc), sequence_length, vocab_size};
  }

  TemporaryDirectory directory_;
  storage::PosixFileSystem files_;
  int num_files_ = 0;
};

TEST_F(BigramTest, GivesTheProbabilitiesWorkedOutByHand) {
  BigramModel model(/*vocab_size=*/2, /*backoff_strength=*/1.0);
  model.count(Tokens{0, 1, 0, 1, 1});

  // Targets 1 0 1 1: p(0) = (1 + 1) / (4 + 2) = 1/3, p(1) = 2/3. Pairs 01 twice, 10 and 11 once.
  EXPECT_NEAR(model.loss(0, 1), -std::log((2 + 2.0 / 3) / (2 + 1)), kRounding);
  EXPECT_NEAR(model.loss(0, 0), -std::log((0 + 1.0 / 3) / (2 + 1)), kRounding);
  EXPECT_NEAR(model.loss(1, 0), -std::log((1 + 1.0 / 3) / (2 + 1)), kRounding);
  EXPECT_NEAR(model.total_loss(Tokens{0, 1, 1, 0}), -std::log(8.0 / 9 * 5 / 9 * 4 / 9), kRounding);
}

TEST_F(BigramTest, KnowsNothingBeforeItCounts) {
  const BigramModel model(8);

  EXPECT_NEAR(model.loss(3, 5), std::log(8.0), kRounding);
}

TEST_F(BigramTest, GivesEveryContextADistribution) {
  for (const int vocab_size : {50, 9'000}) {
    BigramModel model(vocab_size, 3.5);
    model.count(chain(20'000, vocab_size, 1));
    for (const int context : {0, 1, 49}) {
      double sum = 0;

      for (int next = 0; next < vocab_size; ++next) sum += std::exp(-model.loss(context, next));

      EXPECT_NEAR(sum, 1.0, 1e-9) << "V " << vocab_size << " context " << context;
    }
  }
}

TEST_F(BigramTest, TunesItsStrengthToTheSmallestLoss) {
  BigramModel model(50);
  const Tokens held_out = chain(2'000, 50, 2);
  model.count(chain(5'000, 50, 1));
  model.tune(held_out);
  const auto loss_with = [&](double strength) {
    BigramModel other(50, strength);
    other.count(chain(5'000, 50, 1));
    return other.total_loss(held_out);
  };

  const double loss = model.total_loss(held_out);

  for (const double factor : {0.1, 0.5, 0.9, 1.1, 2.0, 10.0}) {
    EXPECT_LT(loss, loss_with(factor * model.backoff_strength())) << factor;
  }
}

TEST_F(BigramTest, ReachesTheEntropyOfAMarkovChain) {
  const TokenSource train = source(chain(400'000, 50, 1), 64, 50);
  const TokenSource validation = source(chain(40'000, 50, 2), 64, 50);
  const double follower = 0.8 + 0.2 / 50;
  const double entropy = -follower * std::log(follower) - 49 * (0.2 / 50) * std::log(0.2 / 50);

  const double loss = mean_loss(fit_bigram(train), validation, validation.num_sequences());

  // 40,000 tokens whose losses deviate by 1.9 nats know the mean to 0.01.
  EXPECT_NEAR(loss, entropy, 0.03);
}

TEST_F(BigramTest, CountsAllTrainingTokensAcrossChunks) {
  const Tokens tokens = chain((1 << 20) + 200'000, 300, 1);
  const BigramModel fitted = fit_bigram(source(tokens, 64, 300));
  BigramModel counted(300, fitted.backoff_strength());
  counted.count(tokens);

  for (int previous = 0; previous < 300; ++previous) {
    for (int next = 0; next < 300; ++next) {
      ASSERT_EQ(fitted.loss(previous, next), counted.loss(previous, next));
    }
  }
}

TEST_F(BigramTest, TakesTheMeanOverTheTargetsOfTheSequences) {
  const TokenSource validation = source(chain(1'000, 50, 2), 64, 50);
  const BigramModel model = fit_bigram(source(chain(1'000, 50, 1), 64, 50));
  double sum = 0;
  for (int sequence = 0; sequence < 3; ++sequence) {
    Tokens tokens_S1(65);
    validation.read(sequence, tokens_S1);
    sum += model.total_loss(tokens_S1);
  }

  EXPECT_NEAR(mean_loss(model, validation, 3), sum / (3 * 64), kRounding);
}

TEST_F(BigramTest, RefusesWhatItCannotLearnFrom) {
  const TokenSource tiny = source(chain(19, 50, 1), 8, 50);
  const TokenSource foreign = source(chain(1'000, 50, 1), 8, 40);
  const BigramModel model(40);

  EXPECT_THAT([&] { (void)fit_bigram(tiny); }, ThrowsMessage<InvalidArgument>(HasSubstr("19")));
  EXPECT_THAT([&] { (void)fit_bigram(foreign); },
              FailsWith(StorageError::Kind::bad_format, HasSubstr("the vocabulary has 40")));
  EXPECT_THAT([&] { (void)mean_loss(model, foreign, 1); },
              FailsWith(StorageError::Kind::bad_format, HasSubstr("the vocabulary has 40")));
  EXPECT_THAT([&] { (void)mean_loss(model, tiny, 1); },
              ThrowsMessage<InvalidArgument>(HasSubstr("a vocabulary of 50")));
}

TEST(PairCounts, CountsTheSameInATableAndByHash) {
  std::mt19937 random(5);
  for (const std::int64_t vocab_size : {8'192, 8'193, 200'000}) {
    PairCounts counts(vocab_size);
    std::map<std::pair<int, int>, unsigned> expected;
    for (int i = 0; i < 100'000; ++i) {
      // Half of the pairs are new, half come from a few contexts.
      const int previous = static_cast<int>(random() % (i % 2 == 0 ? vocab_size : 20));
      const int next = static_cast<int>(random() % (i % 2 == 0 ? vocab_size : 50));
      counts.add(previous, next);
      ++expected[{previous, next}];
    }

    for (const auto& [pair, count] : expected) {
      ASSERT_EQ(counts.count(pair.first, pair.second), count) << vocab_size;
    }
    EXPECT_EQ(counts.count(8'191, 8'191), 0U);
  }
}

}  // namespace
}  // namespace softmoe::training
