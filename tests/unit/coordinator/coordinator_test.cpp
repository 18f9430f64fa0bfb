#include "coordinator/coordinator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/base/errors.h"
#include "tests/unit/coordinator/honest_run.h"

namespace softmoe::coordinator {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

std::int64_t count_of(const Status& status, AlarmKind kind) {
  return status.alarm_counts[static_cast<std::size_t>(kind)];
}

ChangeOrder budget_of(double budget, std::optional<std::int64_t> from = std::nullopt) {
  ChangeOrder order;
  order.budget = budget;
  if (from) order.effective_from = Step{*from};
  return order;
}

class CoordinatorOfARun : public ::testing::Test {
 protected:
  void SetUp() override { run_.register_at(*coordinator_, at(0)); }

  std::unique_ptr<Coordinator> make(const RunPlan& plan) {
    return std::make_unique<Coordinator>(
        Coordinator::Parts{.config = config_,
                           .plan = plan,
                           .log = [this](const std::string& line) { lines_.push_back(line); }},
        at(0));
  }
  /// One step and one report, half a second later.
  void go(int num_steps = 1) {
    for (int i = 0; i < num_steps; ++i) {
      run_.step();
      now_ += 0.5;
      run_.talk(*coordinator_, at(now_));
    }
  }
  /// Time goes by; the server looks.
  void wait(int seconds) {
    for (int i = 0; i < seconds; ++i) coordinator_->look(at(now_ += 1.0));
  }
  Status status() { return coordinator_->status(at(now_)); }
  void beat(int rank, std::uint64_t incarnation, const Progress::Place& place) {
    (void)coordinator_->heartbeat({.run_id = "run-1",
                                   .process = {Rank{rank}, incarnation},
                                   .term = coordinator_->term(),
                                   .place = place},
                                  at(now_));
  }

  CoordinatorConfig config_ = config_of_tests();
  RunPlan plan_ = plan_of(2);
  std::vector<std::string> lines_;
  std::unique_ptr<Coordinator> coordinator_ = make(plan_);
  HonestRun run_{plan_, 1000};
  double now_ = 0;
};

TEST_F(CoordinatorOfARun, IsKnownFromItsFirstRegistrationToItsFarewell) {
  EXPECT_EQ(status().last_record, Step{-1});
  EXPECT_EQ(status().budget.in_force.budget, 4.0);
  EXPECT_EQ(status().members[1].state, MemberState::absent);
  register_others(*coordinator_, plan_, at(0));
  go(10);
  beat(1, 1001, {.step = Step{10}, .phase = Phase::reduce, .operation = 7});

  const Status seen = status();
  EXPECT_EQ(seen.run, plan_.identity);
  EXPECT_EQ(seen.term, 1);
  EXPECT_EQ(seen.last_record, Step{9});
  EXPECT_DOUBLE_EQ(seen.step_seconds, 0.5);
  EXPECT_EQ(seen.members[1].host, "n0");
  EXPECT_EQ(seen.members[1].process_id, 4701);
  EXPECT_EQ(seen.members[1].place.operation, 7);
  EXPECT_EQ(seen.audit.agreed, 10);
  EXPECT_EQ(seen.budget.last_word->step, Step{9});
  EXPECT_NEAR(seen.budget.used, 4.0, 1.0);
  EXPECT_THAT(seen.budget.executed_L, SizeIs(2));
  EXPECT_THAT(seen.alarms, IsEmpty());
  EXPECT_EQ(seen.verdict, "");

  coordinator_->farewell({.run_id = "run-1",
                          .process = {Rank{1}, 1001},
                          .term = 1,
                          .departure = Departure::failed,
                          .reason = "out of\nmemory"},
                         at(now_));
  EXPECT_EQ(status().members[1].state, MemberState::left);
  EXPECT_THAT(lines_, Contains("rank 1 failed: out of memory"));
}

TEST_F(CoordinatorOfARun, AChangeArrivesIsInForceAndIsAudited) {
  go(10);
  const ChangeReply reply = coordinator_->change(budget_of(5.0, 20), at(now_));
  EXPECT_EQ(reply.change.effective_from, Step{20});
  EXPECT_THAT(status().budget.planned, SizeIs(1));
  go(10);
  EXPECT_EQ(status().budget.in_force.budget, 4.0);
  go(10);

  EXPECT_EQ(status().budget.in_force.budget, 5.0);
  EXPECT_EQ(run_.last_word().revision, 1);
  EXPECT_EQ(run_.last_word().term, 1);
  EXPECT_THAT(status().budget.planned, IsEmpty());
  EXPECT_EQ(status().audit.agreed, 30);
  EXPECT_THAT(status().alarms, IsEmpty());
}

TEST_F(CoordinatorOfARun, AChangeThatTheLineDeliversLateIsInForceLaterAndTold) {
  go(10);
  const ChangeReply reply = coordinator_->change(budget_of(5.0), at(now_));
  run_.steps(20);
  go(20);

  EXPECT_EQ(reply.change.effective_from, Step{12});
  EXPECT_EQ(status().budget.in_force.budget, 5.0);
  EXPECT_EQ(count_of(status(), AlarmKind::late_change), 1);
  EXPECT_EQ(status().audit.disagreed, 0);
}

TEST_F(CoordinatorOfARun, TheScheduleOfTheRunNeedsNobody) {
  plan_.changes.push_back(plan_.changes[0]);
  plan_.changes[1].effective_from = Step{10};
  plan_.changes[1].set_points.budget = 6.0;
  plan_.changes[1].set_points.revision = 1;
  coordinator_ = make(plan_);
  HonestRun run(plan_, 1000);
  run.register_at(*coordinator_, at(now_));
  for (int i = 0; i < 20; ++i) {
    run.step();
    run.talk(*coordinator_, at(now_));
  }

  EXPECT_EQ(run.last_word().budget, 6.0);
  EXPECT_EQ(status().audit.agreed, 20);
  EXPECT_THAT(status().alarms, IsEmpty());
}

TEST_F(CoordinatorOfARun, ARequestHappensOnce) {
  go(3);
  EXPECT_EQ(coordinator_->request(budget::Request::save, at(now_)).number, 1);
  EXPECT_EQ(coordinator_->request(budget::Request::save, at(now_)).number, 1);
  EXPECT_EQ(coordinator_->request(budget::Request::drain, at(now_)).number, 2);
  EXPECT_THAT(status().pending_requests, SizeIs(2));

  (void)coordinator_->report(run_.report(), at(now_));  // the reply is lost
  go(5);

  EXPECT_THAT(run_.obeyed(), ElementsAre(NumberedRequest{1, budget::Request::save},
                                         NumberedRequest{2, budget::Request::drain}));
  EXPECT_THAT(status().pending_requests, IsEmpty());
  EXPECT_EQ(coordinator_->request(budget::Request::save, at(now_)).number, 3);
}

TEST_F(CoordinatorOfARun, ARequestToldToAProcessThatDiedIsOverAndOneThatWaitsIsNot) {
  go(3);
  (void)coordinator_->request(budget::Request::save, at(now_));
  (void)coordinator_->report(run_.report(), at(now_));
  (void)coordinator_->request(budget::Request::drain, at(now_));
  wait(20);
  HonestRun next(plan_, 2000, run_.save());

  next.talk(*coordinator_, at(now_));
  next.step();
  next.talk(*coordinator_, at(now_));

  EXPECT_THAT(next.obeyed(), ElementsAre(NumberedRequest{2, budget::Request::drain}));
  EXPECT_THAT(status().pending_requests, IsEmpty());
  EXPECT_THAT(lines_,
              Contains(HasSubstr("request 1 was told to a process of rank 0 that is gone")));
}

TEST_F(CoordinatorOfARun, GoesOnFromACheckpointWithoutADisagreement) {
  go(10);
  const Checkpoint saved = run_.save();
  (void)coordinator_->change(budget_of(5.0, 14), at(now_));
  go(10);
  wait(20);
  HonestRun next(plan_, 2000, saved);
  next.register_at(*coordinator_, at(now_));
  // From step 15 on the records are others than those of the process before.
  (void)coordinator_->change(budget_of(6.0, 15), at(now_));
  for (int i = 0; i < 30; ++i) {
    next.step();
    const RecordReport said = next.report();
    next.talk(*coordinator_, at(now_));
    EXPECT_EQ(refusal_of([&] { (void)coordinator_->report(said, at(now_)); }), std::nullopt);
  }

  EXPECT_EQ(status().last_record, Step{39});
  EXPECT_EQ(status().audit.disagreed, 0);
  EXPECT_EQ(status().audit.unaudited, 0);
  EXPECT_EQ(status().audit.agreed, 50);
  EXPECT_EQ(status().members[0].incarnations, 2);
  EXPECT_EQ(next.last_word().budget, 6.0);
}

TEST_F(CoordinatorOfARun, RecordsThatAreGoneAreToldAndTheAuditGoesOn) {
  go(10);
  run_.steps(10);
  run_.drop_records();
  run_.steps(3);
  EXPECT_EQ(refusal_of([&] { run_.talk(*coordinator_, at(now_)); }), Reason::step);

  run_.register_at(*coordinator_, at(now_));
  run_.talk(*coordinator_, at(now_));

  EXPECT_EQ(count_of(status(), AlarmKind::unaudited), 1);
  EXPECT_EQ(status().audit.unaudited, 11);
  EXPECT_EQ(status().audit.agreed, 12);
  go(5);
  EXPECT_EQ(status().audit.agreed, 17);
}

TEST_F(CoordinatorOfARun, RecordsSentAgainAreTakenOnce) {
  go(5);
  RecordReport again = run_.report();
  HonestRun twin(plan_, 1000);
  twin.steps(7);
  again.records = twin.report().records;
  ASSERT_THAT(again.records, SizeIs(7));

  EXPECT_EQ(coordinator_->report(again, at(now_)).term, 1);
  EXPECT_EQ(coordinator_->report(again, at(now_)).term, 1);

  EXPECT_EQ(status().last_record, Step{6});
  EXPECT_EQ(status().audit.disagreed, 0);
}

TEST_F(CoordinatorOfARun, ASilentRankIsNamedToTheOthersAndInTheAlarm) {
  register_others(*coordinator_, plan_, at(0));
  go(2);
  beat(1, 1001, {.step = Step{1}, .phase = Phase::experts, .layer = 1, .operation = 40});
  for (int i = 0; i < 24; ++i) {
    now_ += 0.25;
    beat(0, 1000, {.step = Step{1}, .phase = Phase::counts, .layer = 1, .operation = 41});
    coordinator_->look(at(now_));
  }

  EXPECT_THAT(status().verdict,
              HasSubstr("rank 1 (host n0, pid 4701) is silent for 6.0 s; last seen in experts of "
                        "layer 1, operation 40 of step 1; rank 0 waits in counts of layer 1"));
  EXPECT_EQ(count_of(status(), AlarmKind::hang), 1) << "one verdict, one alarm";
  EXPECT_EQ(status().members[1].state, MemberState::silent);

  beat(1, 1001, {.step = Step{1}, .phase = Phase::counts, .layer = 1, .operation = 41});
  coordinator_->look(at(now_));
  EXPECT_EQ(status().verdict, "");
  EXPECT_THAT(lines_, Contains("nothing holds the run up any more"));
}

TEST_F(CoordinatorOfARun, AStallNeedsTenMedianStepsIfThoseAreLonger) {
  plan_ = plan_of(1);
  coordinator_ = make(plan_);
  HonestRun run(plan_, 1000);
  run.register_at(*coordinator_, at(now_));
  for (int i = 0; i < 30; ++i) {
    now_ += 2.0;
    beat(0, 1000, {.step = run.next_step(), .phase = Phase::loss, .operation = i % 3});
    if (i % 3 != 2) continue;
    run.step();
    run.talk(*coordinator_, at(now_));
  }
  const auto stand_still = [&](int seconds) {
    for (int i = 0; i < seconds; ++i) {
      now_ += 1.0;
      beat(0, 1000, {.step = Step{10}, .phase = Phase::storage, .operation = 9});
      coordinator_->look(at(now_));
    }
  };

  stand_still(58);
  EXPECT_EQ(status().verdict, "");
  stand_still(4);
  EXPECT_THAT(status().verdict, HasSubstr("rank 0 (host n0, pid 4700) has not moved for 6"));
}

TEST_F(CoordinatorOfARun, ACoordinatorThatWasStoppedItselfBlamesNobody) {
  register_others(*coordinator_, plan_, at(0));
  go(2);
  now_ += 3600;
  coordinator_->look(at(now_));
  EXPECT_EQ(status().verdict, "");
}

TEST_F(CoordinatorOfARun, AnAlarmOfTheAuditAsksForOneDrainWhereThatIsThePolicy) {
  config_.on_alarm = OnAlarm::drain;
  coordinator_ = make(plan_);
  run_.register_at(*coordinator_, at(0));
  go(3);
  for (int lie = 0; lie < 3; ++lie) {
    run_.step();
    RecordReport report = run_.report();
    report.records.back().record.in_force.lambda += 1.0;
    (void)coordinator_->report(report, at(now_));
    run_.register_at(*coordinator_, at(now_));
  }

  EXPECT_EQ(count_of(status(), AlarmKind::disagreement), 3);
  EXPECT_THAT(status().pending_requests, ElementsAre(NumberedRequest{1, budget::Request::drain}));
}

TEST_F(CoordinatorOfARun, AlarmsAndRefusalsAreCountedAllAndWrittenSeldom) {
  for (int i = 0; i < 100; ++i)
    coordinator_->note_refusal(Reason::bad_token, "who\tare you", at(1));
  coordinator_->note_refusal(Reason::bad_token, "you again", at(14));

  EXPECT_EQ(status().refusals[0], 101);
  std::vector<std::string> written;
  for (const std::string& line : lines_) {
    if (line.starts_with("refused")) written.push_back(line);
  }
  EXPECT_THAT(written, SizeIs(6));
  EXPECT_EQ(written.front(), "refused (bad_token): who are you");
  EXPECT_THAT(written.back(), HasSubstr("you again (95 more of these were not written)"));
}

TEST_F(CoordinatorOfARun, APlanWithAFaultIsNoCoordinator) {
  plan_.identity.world = 0;
  EXPECT_THROW((void)make(plan_), InvalidArgument);
}

TEST_F(CoordinatorOfARun, WhatIsRefusedIsNotCountedTwice) {
  EXPECT_EQ(refusal_of([&] { (void)coordinator_->change({}, at(0)); }), Reason::set_points);
  EXPECT_THAT(status().refusals, Not(Contains(1)));
}

TEST_F(CoordinatorOfARun, ATermOfAnotherCoordinatorIsPassedAndEverybodyRegistersAgain) {
  register_others(*coordinator_, plan_, at(0));
  go(2);
  Registration stranger = registration_of(plan_, 1, 1001);
  stranger.seen_term = 9;

  const Admission admission = coordinator_->register_rank(stranger, at(now_));

  EXPECT_EQ(admission.term, 10);
  EXPECT_EQ(refusal_of([&] { (void)coordinator_->report(run_.report(), at(now_)); }), Reason::term);
  go(3);
  EXPECT_EQ(status().audit.agreed, 5);
}

}  // namespace
}  // namespace softmoe::coordinator
