#include "coordinator/auditor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "coordinator/budget_watch.h"
#include "tests/unit/budget/routed_plant.h"
#include "tests/unit/coordinator/honest_run.h"

namespace softmoe::coordinator {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

/// Rank 0 by hand: decides over the small plant, under the set-points of a timeline.
class AuditorOfARun : public ::testing::Test {
 protected:
  /// Runs a step and returns what rank 0 would report of it.
  AuditedRecord make(const budget::SetPointTimeline& held) {
    const Step step = next_;
    next_ = Step(step.value + 1);
    const AuditedRecord audited{small_plant(budget::word_for(step, state_, held.at(step))), state_};
    state_ = budget::decide(state_, audited.record, held.at(next_)).state;
    return audited;
  }
  AuditedRecord make() { return make(owner_.timeline()); }
  void observe(int num_steps) {
    for (int i = 0; i < num_steps; ++i) ASSERT_THAT(auditor_.observe(make()), IsEmpty());
  }
  budget::SetPointChange change_to(double budget, Step from) {
    ChangeOrder order;
    order.budget = budget;
    order.effective_from = from;
    const ChangeReply reply = owner_.draft(order, auditor_.last_record(), 3);
    owner_.issue(reply.change);
    return reply.change;
  }

  RunPlan plan_ = plan_of(1);
  SetPointOwner owner_{plan_};
  Auditor auditor_{owner_};
  budget::ControllerState state_ = budget::initial_state(plan_.changes.front().set_points);
  Step next_;
};

TEST_F(AuditorOfARun, AnHonestRunAgreesInEveryWord) {
  observe(20);
  change_to(5.0, Step{30});
  observe(80);

  EXPECT_EQ(auditor_.status().agreed, 100);
  EXPECT_EQ(auditor_.status().disagreed + auditor_.status().unaudited, 0);
  EXPECT_EQ(auditor_.last_record(), Step{99});
}

TEST_F(AuditorOfARun, RequestsAreNoBusinessOfTheController) {
  observe(3);
  AuditedRecord audited = make();
  audited.record.in_force = audited.record.in_force.with(budget::Request::drain);

  EXPECT_THAT(auditor_.observe(audited), IsEmpty());
}

TEST_F(AuditorOfARun, AnyWordThatDiffersInItsLastBitIsFound) {
  using Word = budget::ControlWord;
  const std::function<void(Word&)> lies[] = {
      [](Word& word) { word.lambda = std::nextafter(word.lambda, 9.0); },
      [](Word& word) { word.alpha = std::nextafter(word.alpha, 9.0); },
      [](Word& word) { word.budget = std::nextafter(word.budget, 9.0); },
      [](Word& word) { word.mode = budget::Mode::off; },
      [](Word& word) { word.term = 1; },
      [](Word& word) { word.revision = 1; },
      [](Word& word) { word.revision = -1; }};
  observe(5);
  std::int64_t told = 0;
  for (const auto& lie : lies) {
    AuditedRecord audited = make();
    lie(audited.record.in_force);

    const std::vector<Finding> findings = auditor_.observe(audited);

    ASSERT_THAT(findings, SizeIs(1)) << told;
    EXPECT_EQ(findings[0].kind, AlarmKind::disagreement);
    EXPECT_EQ(auditor_.status().disagreed, ++told);
    // What really was in force makes the next record: the lie is not a lasting one.
    next_ = Step(next_.value);
    state_ = budget::decide(audited.before, audited.record, owner_.timeline().at(next_)).state;
  }
  observe(5);
  EXPECT_EQ(auditor_.status().agreed, 10);
}

TEST_F(AuditorOfARun, AStateThatDoesNotFollowIsFoundThoughItsWordDoes) {
  observe(5);
  state_.debt += 0.25;

  const std::vector<Finding> findings = auditor_.observe(make());

  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].kind, AlarmKind::disagreement);
  EXPECT_THAT(findings[0].text, HasSubstr("debt"));
  observe(5);
}

TEST_F(AuditorOfARun, ALambdaThatFollowsFromAnInventedStateIsFound) {
  observe(5);
  state_.lambda += 0.5;

  const std::vector<Finding> findings = auditor_.observe(make());

  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_THAT(findings[0].text, HasSubstr("lambda is"));
  EXPECT_THAT(findings[0].text, HasSubstr("and the audit decides"));
}

TEST_F(AuditorOfARun, ARunThatDoesNotBeginAsConfiguredIsFound) {
  state_.lambda = 1.0;

  EXPECT_THAT(auditor_.observe(make()), SizeIs(1));
}

TEST_F(AuditorOfARun, AChangeBeforeItsStepIsFound) {
  observe(5);
  const budget::SetPointChange change = change_to(5.0, Step{20});
  budget::SetPointTimeline eager(plan_.changes.front().set_points);
  eager.add({Step{10}, change.set_points}, Step{10});
  for (int i = 0; i < 5; ++i) ASSERT_THAT(auditor_.observe(make(eager)), IsEmpty());

  const std::vector<Finding> findings = auditor_.observe(make(eager));

  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_THAT(findings[0].text, HasSubstr("revision 1, which begins at step 20"));
}

TEST_F(AuditorOfARun, AChangeThatComesLateIsToldOnceAndIsNoDisagreement) {
  observe(5);
  const budget::SetPointChange change = change_to(5.0, Step{10});
  budget::SetPointTimeline late(plan_.changes.front().set_points);
  late.add(change, Step{14});
  std::vector<Finding> findings;
  for (int i = 0; i < 15; ++i) {
    for (const Finding& finding : auditor_.observe(make(late))) findings.push_back(finding);
  }

  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].kind, AlarmKind::late_change);
  EXPECT_EQ(findings[0].step, Step{10});
  EXPECT_EQ(auditor_.status().disagreed, 0);
}

TEST_F(AuditorOfARun, ARevisionThatGoesBackIsFound) {
  observe(5);
  change_to(5.0, Step{8});
  observe(10);
  const budget::SetPointTimeline old(plan_.changes.front().set_points);
  state_ = budget::decide(state_, small_plant({}), old.at(next_)).state;

  const std::vector<Finding> findings = auditor_.observe(make(old));

  ASSERT_FALSE(findings.empty());
  EXPECT_THAT(findings[0].text, HasSubstr("revision 0, and the step before it under 1"));
}

TEST_F(AuditorOfARun, AGapIsOneAlarmAndTheAuditGoesOnBehindIt) {
  observe(5);
  for (int i = 0; i < 7; ++i) (void)make();

  const std::vector<Finding> findings = auditor_.observe(make());

  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].kind, AlarmKind::unaudited);
  EXPECT_THAT(findings[0].text, HasSubstr("no records of steps 5 to 11"));
  EXPECT_EQ(auditor_.status().unaudited, 8);
  observe(5);
  EXPECT_EQ(auditor_.status().agreed, 10);
}

TEST_F(AuditorOfARun, BehindAGapAWordMustStillFollowFromItsState) {
  observe(5);
  for (int i = 0; i < 7; ++i) (void)make();
  AuditedRecord audited = make();
  audited.record.in_force.lambda += 1e-9;

  const std::vector<Finding> findings = auditor_.observe(audited);

  ASSERT_THAT(findings, SizeIs(2));
  EXPECT_EQ(findings[1].kind, AlarmKind::disagreement);
}

TEST_F(AuditorOfARun, AProcessThatGoesOnFromACheckpointIsAuditedFromItsFirstWord) {
  observe(10);
  const budget::ControllerState saved = state_;
  observe(10);
  next_ = Step{10};
  state_ = saved;

  auditor_.restart(Step{10});
  observe(20);
  EXPECT_EQ(auditor_.status().agreed, 40);
  EXPECT_EQ(auditor_.status().unaudited, 0);

  next_ = Step{15};
  auditor_.restart(Step{15});
  state_.debt += 1.0;
  const std::vector<Finding> findings = auditor_.observe(make());
  ASSERT_THAT(findings, SizeIs(1)) << "not what was saved";
  EXPECT_EQ(findings[0].kind, AlarmKind::unaudited);
  EXPECT_EQ(auditor_.status().unaudited, 1);
  observe(5);
  EXPECT_EQ(auditor_.status().disagreed, 0);
}

TEST_F(AuditorOfARun, ADigestIsEnoughToGoOn) {
  observe(10);
  Auditor second(owner_);
  second.resume(Step{9}, state_, 0);

  for (int i = 0; i < 5; ++i) EXPECT_THAT(second.observe(make()), IsEmpty());

  EXPECT_EQ(second.status().agreed, 5);
}

TEST_F(AuditorOfARun, ARecordThatTheControllerRefusesLeavesItsStateInTheAuditToo) {
  observe(5);
  AuditedRecord audited = make();
  audited.record.gain_L = {std::numeric_limits<double>::max(), std::numeric_limits<double>::max()};
  state_ = budget::decide(audited.before, audited.record, owner_.timeline().at(next_)).state;
  ASSERT_EQ(state_, audited.before);

  EXPECT_THAT(auditor_.observe(audited), IsEmpty());
  observe(5);
}

TEST(Auditor, AgreesWithTheServoOnRealRouting) {
  RunPlan plan = plan_of(1);
  plan.shape = {.num_layers = budget::RoutedPlant::kNumLayers,
                .num_experts = budget::RoutedPlant::kNumExperts};
  plan.range = {.num_layers = 6, .floor = 1, .cap_sum = 192.0};
  plan.changes.front().set_points.budget = 12.0;
  const SetPointOwner owner(plan);
  Auditor auditor(owner);
  CoordinatorConfig config;
  config.window_steps = 40;
  BudgetWatch watch(config);
  const budget::SetPoints& set_points = plan.changes.front().set_points;

  const auto history = budget::simulate({{.set_points = set_points}}, 110).front();
  budget::ControllerState state = budget::initial_state(set_points);
  for (const budget::StepRecord& record : history.records) {
    ASSERT_THAT(auditor.observe({record, state}), IsEmpty());
    ASSERT_THAT(watch.observe(record, set_points), IsEmpty());
    state = budget::decide(state, record, set_points).state;
  }

  EXPECT_EQ(auditor.status().agreed, 110);
  EXPECT_EQ(watch.window_steps(), 40);
  EXPECT_LT(watch.rms_error_ratio(), 0.02);
}

}  // namespace
}  // namespace softmoe::coordinator
