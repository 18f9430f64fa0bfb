#include "experts/expert_placement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "runtime/base/errors.h"

namespace softmoe::experts {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::ThrowsMessage;

TEST(ExpertPlacement, NeighboursLiveTogether) {
  const ExpertPlacement placement(/*num_experts=*/6, /*num_ranks=*/3);

  std::vector<int> homes;
  for (int expert = 0; expert < placement.num_experts(); ++expert)
    homes.push_back(placement.home_of(ExpertId(expert)).value);

  EXPECT_THAT(homes, ElementsAre(0, 0, 1, 1, 2, 2));
  EXPECT_EQ(placement.experts_per_rank(), 2);
  EXPECT_EQ(placement.num_ranks(), 3);
}

TEST(ExpertPlacement, TheFirstExpertOfARankIsAtHomeThere) {
  const ExpertPlacement placement(/*num_experts=*/9, /*num_ranks=*/3);

  for (Rank rank{0}; rank.value < 3; ++rank.value) {
    EXPECT_EQ(placement.first_on(rank).value, 3 * rank.value);
    EXPECT_EQ(placement.home_of(placement.first_on(rank)), rank);
  }
}

TEST(ExpertPlacement, NamesTheNumbersOfExpertsOnEitherSideThatWouldFit) {
  EXPECT_THAT([] { ExpertPlacement(10, 4); },
              ThrowsMessage<ConfigError>(
                  AllOf(HasSubstr("10 experts cannot be spread evenly over 4"),
                        HasSubstr("num_experts to 8 or 12"), HasSubstr("a divisor of 10"))));
}

TEST(ExpertPlacement, NamesOnlyTheLargerNumberWhereThereAreFewerExpertsThanRanks) {
  EXPECT_THAT([] { ExpertPlacement(3, 4); },
              ThrowsMessage<ConfigError>(
                  AllOf(HasSubstr("num_experts to 4 or change"), Not(HasSubstr("0 or")))));
}

TEST(ExpertPlacement, RefusesNoExpertsAndNoRanks) {
  EXPECT_THROW(ExpertPlacement(0, 1), InvalidArgument);
  EXPECT_THROW(ExpertPlacement(4, 0), InvalidArgument);
  EXPECT_THROW(ExpertPlacement(4, -2), InvalidArgument);
}

}  // namespace
}  // namespace softmoe::experts
