#include "runtime/base/progress.h"

#include <gtest/gtest.h>

#include <thread>

namespace softmoe {
namespace {

using std::chrono::milliseconds;

TEST(Progress, ReportsPhaseLayerAndTheNumberOfPhasesEntered) {
  Progress progress;

  progress.enter(Phase::router, 3);
  progress.enter(Phase::dispatch, 4);

  EXPECT_EQ(progress.place().phase, Phase::dispatch);
  EXPECT_EQ(progress.place().layer, 4);
  EXPECT_EQ(progress.place().operation, 2);
}

TEST(Progress, CountsTheOperationsOfAStepFromZero) {
  Progress progress;
  progress.enter(Phase::router, 3);

  progress.begin_step(Step((1 << 28) - 1));
  EXPECT_EQ(progress.place(), (Progress::Place{Step((1 << 28) - 1), Phase::router, 3, 0}));

  progress.enter(Phase::storage, (1 << 11) - 1);
  EXPECT_EQ(progress.place(),
            (Progress::Place{Step((1 << 28) - 1), Phase::storage, (1 << 11) - 1, 1}));
}

TEST(Progress, ReturnsToThePhaseAroundAScope) {
  Progress progress;
  progress.enter(Phase::experts, 5);
  {
    const PhaseScope inner(progress, Phase::pack, 6);
    EXPECT_EQ(progress.place().phase, Phase::pack);
    EXPECT_EQ(progress.place().layer, 6);
  }

  EXPECT_EQ(progress.place().phase, Phase::experts);
  EXPECT_EQ(progress.place().layer, 5);
}

TEST(Progress, CountsTimeInsideAScopeForTheInnerPhaseOnly) {
  using Clock = Progress::Clock;
  Progress progress;
  const Clock::time_point start = Clock::now();
  Clock::duration inside{};
  {
    const PhaseScope outer(progress, Phase::attention);
    const Clock::time_point inner_start = Clock::now();
    {
      const PhaseScope inner(progress, Phase::norm);
      std::this_thread::sleep_for(milliseconds(20));
    }
    inside = Clock::now() - inner_start;
  }
  const std::chrono::duration<double> total = Clock::now() - start;

  EXPECT_GE(progress.seconds(Phase::norm), 0.020);
  EXPECT_LE(progress.seconds(Phase::norm), std::chrono::duration<double>(inside).count());
  EXPECT_LE(progress.seconds(Phase::attention) + progress.seconds(Phase::norm), total.count());
}

TEST(Progress, ForgetsItsSecondsOnReset) {
  Progress progress;
  progress.enter(Phase::loss, 0);
  std::this_thread::sleep_for(milliseconds(2));
  progress.enter(Phase::idle, 0);
  ASSERT_GT(progress.seconds(Phase::loss), 0);

  progress.reset_seconds();

  EXPECT_EQ(progress.seconds(Phase::loss), 0);
  EXPECT_EQ(progress.place().phase, Phase::idle);
}

TEST(Progress, NamesEveryPhase) {
  EXPECT_EQ(name_of(Phase::idle), "idle");
  EXPECT_EQ(name_of(Phase::storage), "storage");
  EXPECT_EQ(static_cast<int>(Phase::storage), kNumPhases - 1);
}

}  // namespace
}  // namespace softmoe
