// A run is the same run on any layout of ranks. Ranks are threads here; tests/mpi runs the same as
// processes.

#include <gtest/gtest.h>

#include "parallel/local/local_world.h"
#include "tests/support/layout_run.h"
#include "tests/support/local_world.h"

namespace softmoe::test {
namespace {

LayoutTrace run_alone(const LayoutOptions& options) {
  LayoutTrace trace;
  run_ranks(1, [&](parallel::Communicator& world, OnDevice& on) {
    LayoutOptions alone = options;
    alone.expert_parallel = 1;
    trace = run_layout(alone, world, on);
  });
  return trace;
}

void expect_same_on(int ranks, const LayoutOptions& options) {
  const LayoutTrace alone = run_alone(options);
  std::vector<LayoutTrace> traces(static_cast<std::size_t>(ranks));

  run_ranks(ranks, [&](parallel::Communicator& world, OnDevice& on) {
    traces[static_cast<std::size_t>(world.rank().value)] = run_layout(options, world, on);
  });

  for (const LayoutTrace& trace : traces) expect_same_run(trace, alone);
  EXPECT_LT(alone.losses.back(), alone.losses.front());  // it did learn something
}

TEST(Layouts, TwoExpertParallelRanksRunTheSameRun) {
  expect_same_on(2, {.expert_parallel = 2});
}

TEST(Layouts, FourExpertParallelRanksRunTheSameRun) {
  expect_same_on(4, {.expert_parallel = 4});
}

TEST(Layouts, TwoReplicasOfTwoRanksRunTheSameRun) {
  expect_same_on(4, {.expert_parallel = 2});
}

TEST(Layouts, FourReplicasRunTheSameRun) {
  expect_same_on(4, {.expert_parallel = 1});
}

void expect_same_quotas_on(int ranks, LayoutOptions options) {
  options.mode = budget::Mode::quota;
  options.steps = 10;
  const LayoutTrace alone = run_alone(options);
  const std::int64_t tokens = std::int64_t{options.lanes} * 2 * 16;
  for (const std::int64_t executed : alone.executed) EXPECT_EQ(executed, 4 * tokens);
  expect_same_on(ranks, options);
  run_ranks(ranks, [&](parallel::Communicator& world, OnDevice& on) {
    EXPECT_EQ(run_layout(options, world, on).executed, alone.executed);
  });
}

TEST(Layouts, AQuotaIsTheSameOnAnyLayout) {
  expect_same_quotas_on(2, {.expert_parallel = 2});
  expect_same_quotas_on(4, {.expert_parallel = 2});
  expect_same_quotas_on(4, {.expert_parallel = 4, .lanes = 3});
}

TEST(Layouts, LanesThatDoNotDivideTheRanksLeaveSomeWithoutTokens) {
  expect_same_on(4, {.expert_parallel = 4, .steps = 10, .lanes = 3});
}

}  // namespace
}  // namespace softmoe::test
