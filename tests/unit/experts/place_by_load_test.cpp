#include "experts/place_by_load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "runtime/base/errors.h"
#include "runtime/base/philox.h"

namespace softmoe::experts {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

std::vector<std::int64_t> loads_of_ranks(const std::vector<std::int64_t>& load_E,
                                         const std::vector<int>& slot_E, int num_ranks) {
  std::vector<std::int64_t> loads(static_cast<std::size_t>(num_ranks));
  const int per_rank = static_cast<int>(load_E.size()) / num_ranks;
  for (std::size_t expert = 0; expert < load_E.size(); ++expert)
    loads[static_cast<std::size_t>(slot_E[expert] / per_rank)] += load_E[expert];
  return loads;
}

std::int64_t most(const std::vector<std::int64_t>& loads) {
  return *std::max_element(loads.begin(), loads.end());
}

/// Loads that fall about as 1 / place, in random order.
std::vector<std::int64_t> uneven_loads(int num_experts, std::uint64_t seed) {
  std::vector<std::int64_t> load_E;
  for (int expert = 0; expert < num_experts; ++expert) {
    const auto words = philox({.seed = seed}, static_cast<std::uint64_t>(expert));
    load_E.push_back(2000 / (1 + static_cast<std::int64_t>(words[0] % 64)));
  }
  return load_E;
}

TEST(PlaceByLoad, GivesTheHeaviestExpertsToTheLightestRanks) {
  // 9 to rank 0, 8 to rank 1, 5 to rank 1 (8 < 9), which is full then; 1 to rank 0.
  EXPECT_THAT(place_by_load(std::vector<std::int64_t>{9, 8, 5, 1}, 2), ElementsAre(0, 2, 3, 1));
}

TEST(PlaceByLoad, LeavesEqualLoadsSpreadByTurns) {
  EXPECT_THAT(place_by_load(std::vector<std::int64_t>{4, 4, 4, 4}, 2), ElementsAre(0, 2, 1, 3));
}

TEST(PlaceByLoad, KeepsTheOrderOfExpertsOnARank) {
  EXPECT_THAT(place_by_load(std::vector<std::int64_t>{1, 2, 3}, 1), ElementsAre(0, 1, 2));
}

TEST(PlaceByLoad, IsAPermutationWhateverTheLoads) {
  for (const int num_ranks : {1, 2, 4, 8}) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      std::vector<int> slot_E = place_by_load(uneven_loads(16, seed), num_ranks);

      std::sort(slot_E.begin(), slot_E.end());
      std::vector<int> all(16);
      std::iota(all.begin(), all.end(), 0);
      EXPECT_EQ(slot_E, all) << num_ranks << " ranks, seed " << seed;
    }
  }
}

TEST(PlaceByLoad, TakesTheWholeHeatOffAHotRank) {
  // Eight experts on two ranks; the first four are hot.
  const std::vector<std::int64_t> load_E = {30, 30, 30, 30, 10, 10, 10, 10};

  const auto slot_E = place_by_load(load_E, 2);

  EXPECT_THAT(loads_of_ranks(load_E, slot_E, 2), ElementsAre(80, 80));
}

TEST(PlaceByLoad, LeavesNoRankMoreThanTheMeanAndTheHeaviestExpert) {
  for (const int num_ranks : {2, 4, 8}) {
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
      const auto load_E = uneven_loads(64, seed);
      const auto loads = loads_of_ranks(load_E, place_by_load(load_E, num_ranks), num_ranks);

      const auto total = std::accumulate(load_E.begin(), load_E.end(), std::int64_t{0});
      EXPECT_LE(most(loads), total / num_ranks + most(load_E)) << num_ranks << ", seed " << seed;
    }
  }
}

TEST(PlaceByLoad, CannotSplitOneExpert) {
  const std::vector<std::int64_t> load_E = {100, 0, 0, 0};

  EXPECT_THAT(loads_of_ranks(load_E, place_by_load(load_E, 2), 2), ElementsAre(100, 0));
}

TEST(PlaceByLoad, RefusesNegativeLoadsAndRanksThatDoNotDivideTheExperts) {
  EXPECT_THAT(
      [] {
        static_cast<void>(place_by_load(std::vector<std::int64_t>{1, -3}, 1));
      },
      ThrowsMessage<InvalidArgument>(HasSubstr("expert 1 has a load of -3 rows")));
  EXPECT_THROW(static_cast<void>(place_by_load(std::vector<std::int64_t>{1, 2, 3}, 2)),
               ConfigError);
  EXPECT_THROW(static_cast<void>(place_by_load({}, 2)), InvalidArgument);
}

}  // namespace
}  // namespace softmoe::experts
