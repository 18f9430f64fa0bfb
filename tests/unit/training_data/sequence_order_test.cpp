#include "training/data/sequence_order.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <vector>

#include "runtime/base/errors.h"

namespace softmoe::training {
namespace {

using testing::Throws;

std::vector<std::int64_t> epoch(const SequenceOrder& order, std::int64_t number) {
  std::vector<std::int64_t> sequences(static_cast<std::size_t>(order.num_sequences()));
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    sequences[i] = order.sequence_at(number * order.num_sequences() + static_cast<int>(i));
  }
  return sequences;
}

TEST(SequenceOrder, ReadsEverySequenceOnceInEveryEpoch) {
  for (const std::int64_t n : {1, 2, 3, 4, 5, 7, 16, 17, 31, 64, 65, 97, 256, 1'000, 4'097}) {
    std::vector<std::int64_t> all(static_cast<std::size_t>(n));
    std::iota(all.begin(), all.end(), 0);
    for (const std::int64_t number : {0, 1, 7}) {
      std::vector<std::int64_t> sequences = epoch(SequenceOrder(n, /*seed=*/42), number);

      std::sort(sequences.begin(), sequences.end());

      EXPECT_EQ(sequences, all) << "n " << n << " epoch " << number;
    }
  }
}

TEST(SequenceOrder, IsAnotherInEveryEpoch) {
  const SequenceOrder order(1'000, 42);

  EXPECT_NE(epoch(order, 0), epoch(order, 1));
  EXPECT_NE(epoch(order, 1), epoch(order, 2));
}

TEST(SequenceOrder, IsAnotherForEverySeed) {
  EXPECT_NE(epoch(SequenceOrder(1'000, 1), 0), epoch(SequenceOrder(1'000, 2), 0));
  EXPECT_NE(epoch(SequenceOrder(1'000, 1), 0), epoch(SequenceOrder(1'000, 1ULL << 32 | 1), 0));
}

TEST(SequenceOrder, IsAFunctionOfSeedAndIndexAlone) {
  // The order is part of what a checkpoint promises: these numbers must never change.
  const SequenceOrder order(1'000'003, 42);

  EXPECT_EQ(order.sequence_at(0), 604'213);
  EXPECT_EQ(order.sequence_at(1), 772'869);
  EXPECT_EQ(order.sequence_at(1'000'003), 921'019);
}

TEST(SequenceOrder, LooksUniform) {
  // Where a sequence lands over many epochs: 16 places, 8,000 epochs, 500 expected in each. The
  // chi-square statistic of 15 degrees of freedom is above 44.3 once in 10,000 draws.
  constexpr int kPlaces = 16;
  constexpr int kEpochs = 8'000;
  const SequenceOrder order(kPlaces, 7);
  for (int place = 0; place < kPlaces; ++place) {
    std::vector<double> hits(kPlaces);
    for (std::int64_t e = 0; e < kEpochs; ++e) {
      hits[static_cast<std::size_t>(order.sequence_at(e * kPlaces + place))] += 1;
    }

    double chi_square = 0;
    for (const double hit : hits) chi_square += (hit - 500) * (hit - 500) / 500;

    EXPECT_LT(chi_square, 44.3) << "place " << place;
  }
}

TEST(SequenceOrder, DoesNotKeepNeighboursTogether) {
  constexpr std::int64_t kSequences = 10'000;
  const std::vector<std::int64_t> sequences = epoch(SequenceOrder(kSequences, 3), 0);
  double distance = 0;
  for (std::size_t i = 1; i < sequences.size(); ++i) {
    distance += static_cast<double>(std::abs(sequences[i] - sequences[i - 1]));
  }

  distance /= static_cast<double>(kSequences - 1);

  // Two draws of n are n/3 apart on average, with a deviation of n/sqrt(18); 10,000 pairs know it
  // to 0.24 % of n.
  EXPECT_NEAR(distance, kSequences / 3.0, 0.01 * kSequences);
}

TEST(SequenceOrder, CountsEpochs) {
  const SequenceOrder order(10, 1);

  EXPECT_EQ(order.epoch_of(0), 0);
  EXPECT_EQ(order.epoch_of(9), 0);
  EXPECT_EQ(order.epoch_of(10), 1);
}

TEST(SequenceOrder, TakesTheLargestDataSet) {
  const SequenceOrder order(std::int64_t{1} << 62, 1);

  EXPECT_GE(order.sequence_at(0), 0);
  EXPECT_NE(order.sequence_at(0), order.sequence_at(1));
}

TEST(SequenceOrder, RefusesWhatIsNotThere) {
  EXPECT_THAT([] { SequenceOrder(0, 1); }, Throws<InvalidArgument>());
  EXPECT_THAT([] { SequenceOrder((std::int64_t{1} << 62) + 1, 1); }, Throws<InvalidArgument>());
  EXPECT_THAT([] { (void)SequenceOrder(10, 1).sequence_at(-1); }, Throws<InvalidArgument>());
  EXPECT_THAT([] { (void)SequenceOrder(1, 1).sequence_at(std::int64_t{1} << 32); },
              Throws<InvalidArgument>());
}

}  // namespace
}  // namespace softmoe::training
