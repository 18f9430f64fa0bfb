#include "coordinator/set_point_owner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "coordinator/run_plan_check.h"
#include "tests/unit/coordinator/honest_run.h"

namespace softmoe::coordinator {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::int64_t kTerm = 5;

budget::SetPointChange planned(double budget, std::int64_t from, std::int64_t revision) {
  budget::SetPointChange change = plan_of(1).changes.front();
  change.effective_from = Step{from};
  change.set_points.budget = budget;
  change.set_points.revision = revision;
  return change;
}

/// The initial set-points and two changes of the run's schedule.
RunPlan scheduled_plan() {
  RunPlan plan = plan_of(1);
  plan.changes.push_back(planned(5.0, 100, 1));
  plan.changes.push_back(planned(6.0, 200, 2));
  return plan;
}

ChangeOrder budget_of(double budget, std::optional<std::int64_t> from = std::nullopt) {
  ChangeOrder order;
  order.budget = budget;
  if (from) order.effective_from = Step{*from};
  return order;
}

std::string words_of_refusal(const RunPlan& plan, const ChangeOrder& order, Reason reason) {
  const SetPointOwner owner(plan);
  try {
    (void)owner.draft(order, Step{40}, kTerm);
  } catch (const Refused& refused) {
    EXPECT_EQ(refused.reason(), reason) << refused.what();
    return refused.what();
  }
  ADD_FAILURE() << "not refused";
  return "";
}

TEST(SetPointOwner, BeginsWithTheScheduleOfTheRun) {
  const RunPlan plan = scheduled_plan();
  const SetPointOwner owner(plan);

  EXPECT_EQ(owner.timeline().at(Step{99}).budget, 4.0);
  EXPECT_EQ(owner.timeline().at(Step{150}).budget, 5.0);
  EXPECT_EQ(owner.newest_revision(), 2);
}

TEST(SetPointOwner, AChangeTakesEffectTwoStepsAheadOfTheOneThatRuns) {
  const RunPlan plan = plan_of(1);
  const SetPointOwner owner(plan);

  const ChangeReply reply = owner.draft(budget_of(5.0), Step{40}, kTerm);

  EXPECT_EQ(reply.change.effective_from, Step{43});
  EXPECT_EQ(reply.change.set_points.budget, 5.0);
  EXPECT_EQ(reply.change.set_points.revision, 1);
  EXPECT_EQ(reply.change.set_points.term, kTerm);
  EXPECT_EQ(reply.before->budget, 4.0);
  EXPECT_EQ(owner.draft(budget_of(5.0, 41), Step{40}, kTerm).change.effective_from, Step{43});
  EXPECT_EQ(owner.draft(budget_of(5.0, 44), Step{40}, kTerm).change.effective_from, Step{44});
  EXPECT_EQ(owner.draft(budget_of(5.0, 0), Step{-1}, kTerm).change.effective_from, Step{2});
}

TEST(SetPointOwner, WhatIsNotGivenStaysAsTheNewestChangeHasIt) {
  const RunPlan plan = scheduled_plan();
  SetPointOwner owner(plan);
  ChangeOrder order;
  order.mode = budget::Mode::off;

  owner.issue(owner.draft(order, Step{250}, kTerm).change);

  EXPECT_EQ(owner.timeline().at(Step{253}).budget, 6.0);
  EXPECT_EQ(owner.timeline().at(Step{253}).mode, budget::Mode::off);
}

TEST(SetPointOwner, AChangeReplacesThosePlannedForItsStepAndLater) {
  const RunPlan plan = scheduled_plan();
  SetPointOwner owner(plan);

  const ChangeReply reply = owner.draft(budget_of(7.0, 100), Step{40}, kTerm);
  EXPECT_THAT(reply.replaced, ElementsAre(1, 2));
  EXPECT_EQ(reply.before->budget, 5.0);
  owner.issue(reply.change);

  EXPECT_EQ(owner.timeline().at(Step{1000}).budget, 7.0);
  EXPECT_THAT(owner.newer_than(0), testing::SizeIs(1));
  EXPECT_NE(owner.find(1), nullptr) << "issued once is known for good";
  EXPECT_EQ(owner.draft(budget_of(5.0), Step{40}, kTerm).change.set_points.revision, 4);
}

TEST(SetPointOwner, OrdersThatThisRunCannotHoldAreRefusedWithWhatWorks) {
  const RunPlan plan = plan_of(1);
  EXPECT_THAT(words_of_refusal(plan, budget_of(17.0), Reason::set_points),
              HasSubstr("give at most 16"));
  EXPECT_THAT(words_of_refusal(plan, budget_of(1.5), Reason::set_points),
              HasSubstr("give at least 2"));
  EXPECT_THAT(words_of_refusal(plan, budget_of(std::numeric_limits<double>::quiet_NaN()),
                               Reason::set_points),
              HasSubstr("above 0"));
  EXPECT_THAT(words_of_refusal(plan, {}, Reason::set_points), HasSubstr("changes nothing"));
  EXPECT_THAT(words_of_refusal(plan, budget_of(5.0, 40), Reason::step),
              HasSubstr("ask for 43 or later"));
  EXPECT_THAT(words_of_refusal(plan, budget_of(5.0, -2), Reason::step), HasSubstr("has passed"));

  ChangeOrder costs;
  costs.layer_cost_L = {1.0, 2.0, 3.0};
  EXPECT_THAT(words_of_refusal(plan, costs, Reason::set_points),
              HasSubstr("layer_cost has 3 numbers, but the model has 2 layers"));
  ChangeOrder temperature;
  temperature.temperature = budget::Temperature{.start = -1.0};
  EXPECT_THAT(words_of_refusal(plan, temperature, Reason::set_points), HasSubstr("-1"));
  temperature.temperature = budget::Temperature{.floor = -std::numeric_limits<double>::infinity()};
  EXPECT_THAT(words_of_refusal(plan, temperature, Reason::set_points), HasSubstr("-inf"));
}

TEST(SetPointOwner, LayerBoundsMustLeaveRoomForTheBudget) {
  const RunPlan plan = plan_of(1);
  ChangeOrder order;
  order.layer_max_L = {1.5, 2.0};
  EXPECT_THAT(words_of_refusal(plan, order, Reason::set_points), HasSubstr("to 3.5"));
  order.budget = 3.5;
  EXPECT_NO_THROW((void)SetPointOwner(plan).draft(order, Step{0}, kTerm));
  order.layer_min_L = {1.6, 1.0};
  EXPECT_THAT(words_of_refusal(plan, order, Reason::set_points), HasSubstr("from 1.6 to 1.5"));
  order = {};
  order.layer_min_L = {0.0, 9.0};
  EXPECT_THAT(words_of_refusal(plan, order, Reason::set_points), HasSubstr("9 to any number"));
}

TEST(SetPointOwner, ABudgetWithCostsIsHeldAgainstWhatTheLayersCost) {
  const RunPlan plan = plan_of(1);
  ChangeOrder order;
  order.layer_cost_L = {10.0, 10.0};
  EXPECT_THAT(words_of_refusal(plan, order, Reason::set_points), HasSubstr("20 to 160"));
  order.budget = 40.0;
  EXPECT_NO_THROW((void)SetPointOwner(plan).draft(order, Step{0}, kTerm));
}

TEST(SetPointOwner, WhatRankZeroHoldsAndWeLackIsTaken) {
  const RunPlan plan = plan_of(1);
  SetPointOwner owner(plan);
  const std::vector<budget::SetPointChange> held = {plan.changes[0], planned(5.0, 30, 3),
                                                    planned(6.0, 60, 4)};

  const SetPointOwner::Adoption adoption = owner.compare_with(held, Step{40}, kTerm);
  EXPECT_THAT(adoption.reissued, IsEmpty());
  for (const budget::SetPointChange& change : adoption.taken) owner.issue(change);

  EXPECT_EQ(owner.timeline().at(Step{59}).budget, 5.0);
  EXPECT_EQ(owner.timeline().at(Step{60}).budget, 6.0);
  EXPECT_EQ(owner.newest_revision(), 4);
}

TEST(SetPointOwner, AChangeMadeBeforeRankZeroWasHeardFollowsUnderANewRevision) {
  const RunPlan plan = plan_of(1);
  SetPointOwner owner(plan);
  owner.issue(owner.draft(budget_of(7.0), Step{-1}, kTerm).change);
  const std::vector<budget::SetPointChange> held = {plan.changes[0], planned(5.0, 30, 1),
                                                    planned(6.0, 60, 2)};

  const SetPointOwner::Adoption adoption = owner.compare_with(held, Step{80}, kTerm);

  EXPECT_THAT(adoption.overruled, ElementsAre(1));
  ASSERT_EQ(adoption.reissued.size(), 1u);
  EXPECT_EQ(adoption.reissued[0].set_points.revision, 3);
  EXPECT_EQ(adoption.reissued[0].set_points.budget, 7.0);
  EXPECT_EQ(adoption.reissued[0].effective_from, Step{83});
}

TEST(SetPointOwner, AGovernorOfAnotherConfigurationIsRefused) {
  const RunPlan plan = plan_of(1);
  const SetPointOwner owner(plan);

  EXPECT_EQ(refusal_of([&] { (void)owner.compare_with({planned(4.5, 0, 0)}, Step{-1}, kTerm); }),
            Reason::set_points);
}

TEST(SetPointOwner, AGovernorThatHoldsLessIsOnlyBehind) {
  const RunPlan plan = plan_of(1);
  SetPointOwner owner(plan);
  owner.issue(owner.draft(budget_of(7.0), Step{-1}, kTerm).change);

  const auto adoption = owner.compare_with(plan.changes, Step{-1}, kTerm);

  EXPECT_THAT(adoption.taken, IsEmpty());
  EXPECT_THAT(adoption.reissued, IsEmpty());
}

TEST(RunPlan, IsCheckedLikeEverythingFromOutside) {
  EXPECT_EQ(find_fault(plan_of(1)), std::nullopt);
  EXPECT_EQ(find_fault(scheduled_plan()), std::nullopt);
  RunPlan plan = plan_of(0);
  EXPECT_THAT(find_fault(plan).value_or(""), HasSubstr("world of 0"));
  plan = plan_of(1);
  plan.changes.clear();
  EXPECT_THAT(find_fault(plan).value_or(""), HasSubstr("no set-points"));
  plan = scheduled_plan();
  std::swap(plan.changes[1], plan.changes[2]);
  EXPECT_THAT(find_fault(plan).value_or(""), HasSubstr("both rise"));
  plan = plan_of(1);
  plan.changes[0].set_points.gains = budget::gains_for(2);
  EXPECT_THAT(find_fault(plan).value_or(""), HasSubstr("delay of 2"));
}

}  // namespace
}  // namespace softmoe::coordinator
