#include "coordinator/outbox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace softmoe::coordinator {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class RecordsOfRankZero : public testing::Test {
 protected:
  void submit(std::int64_t first, std::int64_t last, std::size_t num_layers = 2) {
    for (std::int64_t step = first; step <= last; ++step) {
      const budget::StepRecord record{.in_force = {.step = Step{step}},
                                      .tokens = 10,
                                      .executed_L = std::vector<std::int64_t>(num_layers),
                                      .gain_L = std::vector<double>(num_layers),
                                      .boundary_mass_L = std::vector<double>(num_layers),
                                      .soft_mass_L = std::vector<double>(num_layers)};
      outbox_.submit({.record = record, .before = {}, .timeline = timeline_});
    }
  }

  std::vector<std::int64_t> next(std::size_t max_records = 64) const {
    std::vector<std::int64_t> steps;
    for (const auto& record : outbox_.next_batch(max_records))
      steps.push_back(record.record.step().value);
    return steps;
  }

  budget::SetPointTimeline timeline_{budget::SetPoints{.budget = 4.0}};
  Outbox outbox_{timeline_.changes(), Step{3}};
};

TEST_F(RecordsOfRankZero, AreOfferedUntilTheyArrived) {
  EXPECT_TRUE(outbox_.all_sent());
  submit(3, 6);
  EXPECT_THAT(next(), ElementsAre(3, 4, 5, 6));
  EXPECT_THAT(next(2), ElementsAre(3, 4));
  outbox_.sent(Step{4}, Step{-1});
  EXPECT_THAT(next(), ElementsAre(5, 6));
  outbox_.sent(Step{6}, Step{4});
  EXPECT_TRUE(outbox_.all_sent());
  EXPECT_EQ(outbox_.governor().next_step, Step{7});
}

TEST_F(RecordsOfRankZero, AreSentAgainUnlessTheyAreDurable) {
  submit(3, 9);
  outbox_.sent(Step{9}, Step{5});

  outbox_.begin_after(Step{2});

  EXPECT_THAT(next(), ElementsAre(6, 7, 8, 9));
  outbox_.begin_after(Step{8});
  EXPECT_THAT(next(), ElementsAre(9));
  EXPECT_EQ(outbox_.governor().next_step, Step{9});
}

TEST_F(RecordsOfRankZero, AreNotForgottenBeforeTheyArrivedWhateverIsDurable) {
  submit(3, 5);
  outbox_.sent(Step{-1}, Step{99});
  EXPECT_THAT(next(), ElementsAre(3, 4, 5));
}

TEST_F(RecordsOfRankZero, LeaveTheOldestBehindWhenTheyAreTooMany) {
  submit(3, 1026);
  EXPECT_EQ(outbox_.num_dropped(), 0);
  submit(1027, 1030);
  EXPECT_EQ(outbox_.num_dropped(), 4);
  EXPECT_THAT(next(2), ElementsAre(7, 8));
  // Some of a batch may be gone by the time it arrives.
  submit(1031, 1040);
  outbox_.sent(Step{8}, Step{-1});
  EXPECT_THAT(next(2), ElementsAre(17, 18));
  outbox_.sent(Step{1040}, Step{-1});
  submit(1041, 1050);
  EXPECT_EQ(outbox_.num_dropped(), 14);
}

TEST_F(RecordsOfRankZero, TravelWithoutGapsAndInBoundedReports) {
  submit(3, 4);
  submit(6, 7);
  EXPECT_THAT(next(), ElementsAre(3, 4));
  outbox_.sent(Step{4}, Step{-1});
  EXPECT_THAT(next(), ElementsAre(6, 7));
  submit(8, 11, /*num_layers=*/4096);
  outbox_.sent(Step{7}, Step{-1});
  EXPECT_THAT(next(), ElementsAre(8));
}

TEST_F(RecordsOfRankZero, AreMadeAnewByAProcessThatGoesBack) {
  submit(3, 9);
  outbox_.sent(Step{9}, Step{-1});

  submit(6, 7);

  EXPECT_THAT(next(), ElementsAre(6, 7));
  outbox_.begin_after(Step{2});
  EXPECT_THAT(next(), ElementsAre(3, 4, 5, 6, 7));
}

TEST_F(RecordsOfRankZero, CanBeGivenUp) {
  submit(3, 5);
  outbox_.drop(Step{4});
  EXPECT_THAT(next(), ElementsAre(3));
  EXPECT_EQ(outbox_.num_dropped(), 1);
}

TEST_F(RecordsOfRankZero, BeginForACoordinatorBehindThoseThatMayHaveArrived) {
  submit(3, 9);
  EXPECT_EQ(outbox_.governor().next_step, Step{3});
  outbox_.may_have_arrived(Step{5});

  EXPECT_EQ(outbox_.governor().next_step, Step{6});
  EXPECT_THAT(next(2), ElementsAre(3, 4));
  // It says which did.
  outbox_.begin_after(Step{4});
  EXPECT_EQ(outbox_.governor().next_step, Step{5});
  EXPECT_THAT(next(2), ElementsAre(5, 6));
}

TEST(RequestsForRankZero, AreDeliveredOnce) {
  Outbox outbox({}, Step{0});
  const RecordReply reply{.requests = {{.number = 1, .request = budget::Request::save}}};
  outbox.deliver(reply);
  outbox.deliver(reply);
  EXPECT_EQ(outbox.held_request(), 0);
  EXPECT_EQ(outbox.poll().requests, 1U);
  EXPECT_EQ(outbox.held_request(), 1);

  // A reply to a report from before the poll.
  outbox.deliver(reply);

  EXPECT_EQ(outbox.poll().requests, 0U);
}

TEST_F(RecordsOfRankZero, CarryTheSetPointsThatAreHeld) {
  const budget::SetPointChange change{.effective_from = Step{9},
                                      .set_points = {.budget = 5.0, .revision = 2}};
  EXPECT_EQ(outbox_.deliver({.changes = {change}}), 0);
  EXPECT_EQ(outbox_.held_revision(), 0);
  ASSERT_EQ(outbox_.poll().changes.size(), 1U);
  EXPECT_EQ(outbox_.held_revision(), 2);
  // Fetched is held, before the next record says so too.
  ASSERT_EQ(outbox_.governor().changes.size(), 2U);
  EXPECT_EQ(outbox_.governor().changes[1].effective_from, Step{9});

  // It came late, and the timeline put it off.
  timeline_.add(change, Step{14});
  submit(3, 3);

  ASSERT_EQ(outbox_.governor().changes.size(), 2U);
  EXPECT_EQ(outbox_.governor().changes[1].effective_from, Step{14});
  outbox_.deliver({.changes = {change}});
  EXPECT_THAT(outbox_.poll().changes, IsEmpty());
}

}  // namespace
}  // namespace softmoe::coordinator
