#include "parallel/exact_sums.h"

#include <gmock/gmock.h>

#include <cmath>

#include "runtime/ops/exact_sum.h"
#include "tests/support/local_world.h"

namespace softmoe::parallel {
namespace {

using test::OnDevice;
using testing::Each;

constexpr int kLanes = 12;

/// What a lane leaves: three numbers in two views.
double number_of(int lane, int place) {
  return std::ldexp(1.0 + lane * 0.1, 17 * place - 20) * (lane % 3 == 0 ? -1 : 1);
}

/// The sums over all lanes, as every rank of a world gets them.
std::vector<std::vector<double>> sums_on(int num_ranks) {
  std::vector<std::vector<double>> of_ranks(static_cast<std::size_t>(num_ranks));
  test::run_ranks(num_ranks, [&](Communicator& world, OnDevice& on) {
    const View<double> first = on.upload<double>({NAN});
    const View<double> others = on.upload<double>({NAN, NAN});
    ExactSums sums({first, others}, on.device);
    sums.begin(on.stream);
    for (int lane = world.rank().value; lane < kLanes; lane += num_ranks) {
      const std::vector<double> left = {number_of(lane, 0), number_of(lane, 1), number_of(lane, 2)};
      softmoe::upload(std::span(left).first(1), first, on.stream);
      softmoe::upload(std::span(left).last(2), others, on.stream);
      on.stream.synchronize();
      sums.take_lane(on.stream);
      EXPECT_THAT(on.download(first), Each(0.0));
      EXPECT_THAT(on.download(others), Each(0.0));
    }
    // Not every term is a lane's.
    if (world.rank() == Rank(num_ranks - 1))
      ops::exact_add(on.upload<double>({0.25}), sums.sum(2), on.stream);
    sums.sum_over_ranks(world, on.scratch, on.stream);
    std::vector<double>& mine = of_ranks[static_cast<std::size_t>(world.rank().value)];
    mine = on.download(first);
    for (const double number : on.download(others)) mine.push_back(number);
  });
  return of_ranks;
}

TEST(ExactSums, AreTheSameOnEveryRankOfEveryWorld) {
  const std::vector<double> alone = sums_on(1).front();
  for (int place = 0; place < 3; ++place) {
    double expected = place == 2 ? 0.25 : 0;
    for (int lane = 0; lane < kLanes; ++lane) expected += number_of(lane, place);
    EXPECT_NEAR(alone[static_cast<std::size_t>(place)], expected, 1e-14 * std::abs(expected));
  }

  EXPECT_THAT(sums_on(2), Each(alone));
  EXPECT_THAT(sums_on(3), Each(alone));
  EXPECT_THAT(sums_on(4), Each(alone));
}

TEST(ExactSums, AreNotNumbersOnAnyRankOnceALaneWasNot) {
  test::run_ranks(3, [&](Communicator& world, OnDevice& on) {
    const View<double> numbers = on.upload<double>({0.0, 0.0});
    ExactSums sums({numbers}, on.device);
    sums.begin(on.stream);
    const std::vector<double> left = {world.rank() == Rank(1) ? NAN : 1.0, 1.0};
    softmoe::upload(std::span<const double>(left), numbers, on.stream);
    on.stream.synchronize();

    sums.take_lane(on.stream);
    sums.sum_over_ranks(world, on.scratch, on.stream);

    EXPECT_TRUE(std::isnan(on.download(numbers)[0]));
    EXPECT_EQ(on.download(numbers)[1], 3.0);
  });
}

}  // namespace
}  // namespace softmoe::parallel
