// Ranks and people that say what cannot be: each is refused with its reason, nothing changes, and
// an honest rank goes on.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "coordinator/coordinator.h"
#include "tests/unit/coordinator/honest_run.h"

namespace softmoe::coordinator {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr std::int64_t kHuge = std::numeric_limits<std::int64_t>::max();

/// What would have to stay if nothing changed.
std::string essence_of(const Status& status) {
  std::string text = std::to_string(status.term) + "," + std::to_string(status.last_record.value) +
                     "," + std::to_string(status.audit.agreed + status.audit.disagreed) + "," +
                     std::to_string(status.budget.planned.size()) + "," +
                     std::to_string(status.pending_requests.size());
  for (const MemberStatus& member : status.members) {
    text += ";" + std::to_string(static_cast<int>(member.state)) + "," + member.host + "," +
            member.metrics_address + "," + std::to_string(member.process_id) + "," +
            std::to_string(member.incarnations) + "," + std::to_string(member.place.step.value) +
            "," + std::to_string(member.place.operation) + "," +
            std::to_string(member.seconds_since_heartbeat);
  }
  for (const std::int64_t count : status.alarm_counts) text += "," + std::to_string(count);
  return text;
}

class LyingRanks : public ::testing::Test {
 protected:
  void SetUp() override {
    run_.register_at(coordinator_, at(0));
    register_others(coordinator_, plan_, at(0));
    go();
    (void)coordinator_.heartbeat(beat_of_one(), at(now_));
    (void)coordinator_.request(budget::Request::save, at(now_));
  }
  void go() {
    run_.step();
    now_ += 0.1;
    run_.talk(coordinator_, at(now_));
  }
  Heartbeat beat_of_one() const {
    return {.run_id = "run-1",
            .process = {Rank{1}, 1001},
            .term = 1,
            .place = {.step = Step{4}, .phase = Phase::counts, .layer = 1, .operation = 9}};
  }
  Registration registration_of_zero() const { return run_.registration(); }
  /// A report of the next honest record, not sent.
  RecordReport report() {
    if (run_.report().records.empty()) run_.step();
    return run_.report();
  }
  void expect_refused(Reason reason, const std::function<void()>& call, const std::string& what) {
    const std::string before = essence_of(coordinator_.status(at(now_)));
    EXPECT_EQ(refusal_of(call), reason) << what;
    EXPECT_EQ(essence_of(coordinator_.status(at(now_))), before) << what;
  }
  void expect_honest_run_goes_on() {
    const std::int64_t agreed = coordinator_.status(at(now_)).audit.agreed;
    for (int i = 0; i < 5; ++i) go();
    (void)coordinator_.heartbeat(beat_of_one(), at(now_));
    const Status status = coordinator_.status(at(now_));
    EXPECT_GE(status.audit.agreed, agreed + 5);
    EXPECT_EQ(status.audit.disagreed, 0);
  }

  const CoordinatorConfig config_ = config_of_tests();
  const RunPlan plan_ = plan_of(2);
  Coordinator coordinator_{{.config = config_, .plan = plan_, .log = {}}, at(0)};
  HonestRun run_{plan_, 1000};
  double now_ = 0;
};

TEST_F(LyingRanks, RegistrationsThatCannotBe) {
  const auto lie = [&](Reason reason, const char* what, auto&& change) {
    Registration registration = registration_of(plan_, 1, 1001);
    change(registration);
    expect_refused(
        reason, [&] { (void)coordinator_.register_rank(registration, at(now_)); }, what);
  };
  lie(Reason::run, "run", [](Registration& said) { said.run.run_id = "run-2"; });
  lie(Reason::version, "version", [](Registration& said) { said.run.version = "9"; });
  lie(Reason::configuration, "hash", [](Registration& said) { said.run.config_hash = "beef"; });
  lie(Reason::configuration, "world", [](Registration& said) { said.run.world = 3; });
  lie(Reason::rank, "rank 2", [](Registration& said) { said.process.rank = Rank{2}; });
  lie(Reason::rank, "rank -1", [](Registration& said) { said.process.rank = Rank{-1}; });
  lie(Reason::rank, "nobody", [](Registration& said) { said.process.incarnation = 0; });
  lie(Reason::second_owner, "second", [](Registration& said) { said.process.incarnation = 77; });
  lie(Reason::term, "term", [](Registration& said) { said.seen_term = kHuge; });
  lie(Reason::term, "term", [](Registration& said) { said.seen_term = -1; });
  lie(Reason::set_points, "a second governor",
      [&](Registration& said) { said.governor = registration_of_zero().governor; });
  expect_honest_run_goes_on();
}

TEST_F(LyingRanks, GovernorsThatCannotBe) {
  const auto lie = [&](const char* what, auto&& change) {
    Registration registration = registration_of_zero();
    change(registration);
    expect_refused(
        Reason::set_points, [&] { (void)coordinator_.register_rank(registration, at(now_)); },
        what);
  };
  const auto add = [](Registration& said, std::int64_t from, std::int64_t revision, double budget) {
    budget::SetPointChange change = said.governor->changes.back();
    change.effective_from = Step{from};
    change.set_points.revision = revision;
    change.set_points.budget = budget;
    said.governor->changes.push_back(change);
  };
  lie("no governor", [](Registration& said) { said.governor.reset(); });
  lie("next step", [](Registration& said) { said.governor->next_step = Step{-1}; });
  lie("next step", [](Registration& said) { said.governor->next_step = Step{kHuge}; });
  lie("nothing held", [](Registration& said) { said.governor->changes.clear(); });
  lie("another beginning",
      [](Registration& said) { said.governor->changes[0].set_points.budget = 4.5; });
  lie("late beginning",
      [](Registration& said) { said.governor->changes[0].effective_from = Step{1}; });
  lie("too large a budget", [&](Registration& said) { add(said, 50, 1, 17.0); });
  lie("no number", [&](Registration& said) { add(said, 50, 1, kNan); });
  lie("revision", [&](Registration& said) { add(said, 50, 0, 5.0); });
  lie("revision", [&](Registration& said) { add(said, 50, kHuge, 5.0); });
  lie("steps fall", [&](Registration& said) {
    add(said, 50, 1, 5.0);
    add(said, 40, 2, 5.0);
  });
  lie("infinite", [&](Registration& said) {
    add(said, 50, 1, 5.0);
    said.governor->changes.back().set_points.temperature.ceiling =
        std::numeric_limits<double>::infinity();
  });
  expect_honest_run_goes_on();
}

TEST_F(LyingRanks, HeartbeatsThatCannotBe) {
  const auto lie = [&](Reason reason, const char* what, auto&& change) {
    Heartbeat heartbeat = beat_of_one();
    change(heartbeat);
    expect_refused(
        reason, [&] { (void)coordinator_.heartbeat(heartbeat, at(now_ + 1)); }, what);
  };
  lie(Reason::run, "run", [](Heartbeat& said) { said.run_id = ""; });
  lie(Reason::term, "term", [](Heartbeat& said) { said.term = 2; });
  lie(Reason::term, "term", [](Heartbeat& said) { said.term = 0; });
  lie(Reason::rank, "rank", [](Heartbeat& said) { said.process.rank = Rank{2}; });
  lie(Reason::second_owner, "owner", [](Heartbeat& said) { said.process.incarnation = 5; });
  lie(Reason::step, "back", [](Heartbeat& said) { said.place.step = Step{3}; });
  lie(Reason::step, "back", [](Heartbeat& said) { said.place.operation = 8; });
  lie(Reason::step, "layer", [](Heartbeat& said) { said.place.layer = 1 << 11; });
  lie(Reason::step, "far", [](Heartbeat& said) { said.place.step = Step{kHuge}; });
  lie(Reason::step, "phase",
      [](Heartbeat& said) { said.place.phase = static_cast<Phase>(kNumPhases); });
  expect_honest_run_goes_on();
}

TEST_F(LyingRanks, RecordsThatCannotBe) {
  const auto lie = [&](Reason reason, const char* what, auto&& change) {
    RecordReport said = report();
    change(said.records.back());
    expect_refused(
        reason, [&] { (void)coordinator_.report(said, at(now_)); }, what);
  };
  using Audited = AuditedRecord;
  const Reason record = Reason::record;
  lie(record, "negative", [](Audited& said) { said.record.executed_L[1] = -1; });
  lie(record, "too many", [](Audited& said) { said.record.executed_L[1] = 256 * 8 + 1; });
  lie(record, "overflow", [](Audited& said) { said.record.executed_L[1] = kHuge; });
  lie(record, "below the floor", [](Audited& said) { said.record.executed_L[1] = 255; });
  lie(record, "no tokens", [](Audited& said) { said.record.tokens = 0; });
  lie(record, "tokens", [](Audited& said) { said.record.tokens = -256; });
  lie(record, "long", [](Audited& said) { said.record.executed_L.push_back(300); });
  lie(record, "short", [](Audited& said) { said.record.gain_L.pop_back(); });
  lie(record, "empty", [](Audited& said) { said.record.executed_L.clear(); });
  lie(record, "gain", [](Audited& said) { said.record.gain_L[0] = kNan; });
  lie(record, "mass", [](Audited& said) { said.record.boundary_mass_L[0] = -0.5; });
  lie(record, "mass", [](Audited& said) { said.record.soft_mass_L[0] = 0.0; });
  lie(record, "lambda", [](Audited& said) { said.record.in_force.lambda = kNan; });
  lie(record, "alpha", [](Audited& said) { said.record.in_force.alpha = -1.0; });
  lie(record, "state", [](Audited& said) { said.before.debt = kNan; });
  lie(record, "state", [](Audited& said) { said.before.gain = 1.0 / 0.0; });
  lie(record, "state of later", [](Audited& said) { said.before.last_record = Step{5}; });
  lie(Reason::step, "jump", [](Audited& said) { said.record.in_force.step = Step{900}; });
  lie(Reason::step, "jump", [](Audited& said) { said.record.in_force.step = Step{kHuge}; });
  lie(record, "another record for a known step",
      [](Audited& said) { said.record.in_force.step = Step{0}; });
  expect_honest_run_goes_on();
}

TEST_F(LyingRanks, ReportsThatCannotBe) {
  const auto lie = [&](Reason reason, const char* what, auto&& change) {
    RecordReport said = report();
    change(said);
    expect_refused(
        reason, [&] { (void)coordinator_.report(said, at(now_)); }, what);
  };
  lie(Reason::run, "run", [](RecordReport& said) { said.run_id = "run-2"; });
  lie(Reason::term, "term", [](RecordReport& said) { said.term = 7; });
  lie(Reason::rank, "rank", [](RecordReport& said) { said.process = {Rank{1}, 1001}; });
  lie(Reason::rank, "rank", [](RecordReport& said) { said.process.rank = Rank{-1}; });
  lie(Reason::second_owner, "owner", [](RecordReport& said) { said.process.incarnation = 5; });
  lie(Reason::set_points, "revision", [](RecordReport& said) { said.held_revision = 1; });
  lie(Reason::set_points, "revision", [](RecordReport& said) { said.held_revision = -1; });
  lie(Reason::set_points, "request", [](RecordReport& said) { said.held_request = -1; });
  lie(Reason::set_points, "request", [](RecordReport& said) { said.held_request = kHuge; });
  lie(Reason::step, "the same twice",
      [](RecordReport& said) { said.records.push_back(said.records.back()); });
  lie(Reason::step, "a gap inside", [](RecordReport& said) {
    said.records.push_back(said.records.back());
    said.records.back().record.in_force.step =
        Step(said.records.back().record.in_force.step.value + 2);
  });
  lie(Reason::record, "one of two is bad, and neither is taken", [](RecordReport& said) {
    said.records.push_back(said.records.back());
    said.records.back().record.in_force.step =
        Step(said.records.back().record.in_force.step.value + 1);
    said.records.back().record.tokens = 0;
  });
  expect_honest_run_goes_on();
}

TEST_F(LyingRanks, FarewellsInAnothersName) {
  const auto lie = [&](Reason reason, const char* what, auto&& change) {
    Farewell said{.run_id = "run-1", .process = {Rank{1}, 1001}, .term = 1};
    change(said);
    expect_refused(
        reason, [&] { coordinator_.farewell(said, at(now_)); }, what);
  };
  lie(Reason::run, "run", [](Farewell& said) { said.run_id = "x"; });
  lie(Reason::term, "term", [](Farewell& said) { said.term = 0; });
  lie(Reason::rank, "rank", [](Farewell& said) { said.process.rank = Rank{9}; });
  lie(Reason::second_owner, "owner", [](Farewell& said) { said.process.incarnation = 1002; });
  expect_honest_run_goes_on();
}

TEST_F(LyingRanks, PeopleWhoAskForWhatCannotBe) {
  const auto lie = [&](Reason reason, const char* what, auto&& change) {
    ChangeOrder order;
    change(order);
    expect_refused(
        reason, [&] { (void)coordinator_.change(order, at(now_)); }, what);
  };
  lie(Reason::set_points, "nothing", [](ChangeOrder&) {});
  lie(Reason::set_points, "budget", [](ChangeOrder& order) { order.budget = 1e300; });
  lie(Reason::set_points, "budget", [](ChangeOrder& order) { order.budget = -1; });
  lie(Reason::set_points, "bounds", [](ChangeOrder& order) { order.layer_max_L = {kNan, 2.0}; });
  lie(Reason::step, "past", [](ChangeOrder& order) {
    order.budget = 5.0;
    order.effective_from = Step{0};
  });
  expect_refused(
      Reason::not_in_this_mode,
      [&] { (void)coordinator_.request(static_cast<budget::Request>(3), at(now_)); }, "request");
  expect_honest_run_goes_on();
}

}  // namespace
}  // namespace softmoe::coordinator
