#include "budget/set_point_timeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/base/errors.h"

namespace softmoe::budget {
namespace {

using ::testing::Optional;

SetPoints revision(std::int64_t number, double budget) {
  return {.budget = budget, .revision = number};
}

TEST(SetPointTimeline, HoldsTheFirstSetPointsUntilAChangeTakesEffect) {
  SetPointTimeline timeline(revision(0, 12.0));

  const auto effective = timeline.add({Step{10}, revision(1, 8.0)}, Step{4});

  EXPECT_THAT(effective, Optional(Step{10}));
  EXPECT_EQ(timeline.at(Step{0}).budget, 12.0);
  EXPECT_EQ(timeline.at(Step{9}).budget, 12.0);
  EXPECT_EQ(timeline.at(Step{10}).budget, 8.0);
  EXPECT_EQ(timeline.at(Step{5000}).budget, 8.0);
}

TEST(SetPointTimeline, ALateChangeWaitsForTheFirstUndecidedStep) {
  SetPointTimeline timeline(revision(0, 12.0));

  const auto effective = timeline.add({Step{10}, revision(1, 8.0)}, Step{14});

  EXPECT_THAT(effective, Optional(Step{14}));
  EXPECT_EQ(timeline.at(Step{13}).budget, 12.0);
  EXPECT_EQ(timeline.at(Step{14}).budget, 8.0);
}

TEST(SetPointTimeline, ANewerRevisionReplacesWhatWasPlannedAfterIt) {
  SetPointTimeline timeline(revision(0, 12.0));
  timeline.add({Step{10}, revision(1, 8.0)}, Step{1});
  timeline.add({Step{20}, revision(2, 6.0)}, Step{1});

  timeline.add({Step{15}, revision(3, 10.0)}, Step{1});

  EXPECT_EQ(timeline.at(Step{12}).budget, 8.0);
  EXPECT_EQ(timeline.at(Step{15}).budget, 10.0);
  EXPECT_EQ(timeline.at(Step{25}).budget, 10.0);
  EXPECT_EQ(timeline.changes().size(), 3U);
}

TEST(SetPointTimeline, ARevisionDeliveredTwiceChangesNothing) {
  SetPointTimeline timeline(revision(0, 12.0));
  timeline.add({Step{10}, revision(1, 8.0)}, Step{1});

  EXPECT_EQ(timeline.add({Step{10}, revision(1, 8.0)}, Step{50}), std::nullopt);

  EXPECT_EQ(timeline.at(Step{10}).budget, 8.0);
}

TEST(SetPointTimeline, AFaultyChangeIsRefusedAndLeavesItAsItWas) {
  SetPointTimeline timeline(revision(0, 12.0));

  EXPECT_THROW(timeline.add({Step{10}, revision(1, -8.0)}, Step{1}), InvalidArgument);

  EXPECT_EQ(timeline.at(Step{10}).budget, 12.0);
  EXPECT_THROW(SetPointTimeline(revision(0, 0.0)), InvalidArgument);
}

TEST(SetPointTimeline, AChangeFromStepZeroReplacesNothingBeforeIt) {
  SetPointTimeline timeline(revision(0, 12.0));

  timeline.add({Step{0}, revision(1, 8.0)}, Step{0});

  EXPECT_EQ(timeline.at(Step{0}).budget, 8.0);
}

}  // namespace
}  // namespace softmoe::budget
