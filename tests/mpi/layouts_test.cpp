// Ranks as processes train the same run as one rank alone, for every way to spread the experts.

#include <gtest/gtest.h>

#include "parallel/local/local_world.h"
#include "tests/mpi/rank_session.h"
#include "tests/support/layout_run.h"

namespace softmoe::test {
namespace {

class MpiLayouts : public testing::TestWithParam<int> {};

TEST_P(MpiLayouts, TrainTheSameRunAsOneRank) {
  const auto world = rank_session().world();
  if (world->size() % GetParam() != 0)
    GTEST_SKIP() << GetParam() << " does not divide " << world->size() << " ranks";
  OnDevice on_alone;
  const LayoutTrace alone =
      run_layout({.expert_parallel = 1}, *parallel::LocalWorld(1).communicator(Rank(0)), on_alone);

  OnDevice on;
  const LayoutTrace trace = run_layout({.expert_parallel = GetParam()}, *world, on);

  expect_same_run(trace, alone);
}

INSTANTIATE_TEST_SUITE_P(ExpertParallel, MpiLayouts, testing::Values(1, 2, 4),
                         [](const auto& ways) { return "Over" + std::to_string(ways.param); });

}  // namespace
}  // namespace softmoe::test
