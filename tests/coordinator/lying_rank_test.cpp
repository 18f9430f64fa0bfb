// Whoever holds the token of the ranks, and lies, to a coordinator that serves a run.

#include <gmock/gmock.h>

#include <array>
#include <functional>
#include <limits>

#include "budget/controller.h"
#include "coordinator/client_calls.h"
#include "coordinator/endpoint.h"
#include "tests/coordinator/supervised_run.h"
#include "tests/support/patience.h"

namespace softmoe::test {
namespace {

using namespace std::chrono_literals;
using coordinator::AuditedRecord;
using coordinator::ClientCalls;
using coordinator::Empty;
using coordinator::Method;
using coordinator::Reason;
using coordinator::RecordReport;
using coordinator::Role;
using coordinator::Status;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::int64_t kHuge = std::numeric_limits<std::int64_t>::max();
constexpr std::uint64_t kInvented = 4711;
constexpr std::int64_t kTokens = 256;
constexpr std::int64_t kExperts = 8;
/// A liar counts as the rank in whose name it calls, and here the limit is not what is tried.
const Words kManyCalls = {"coordinator.max_calls_per_second=10000"};

/// Bytes instead of a message.
struct Bytes {
  std::string bytes;
};
std::string encode(const Bytes& message) {
  return message.bytes;
}

/// Calls with the tokens in a coordinator's folder, and a count of what was refused.
class Liar {
 public:
  explicit Liar(const Workplace& place) { config_.folder = (place / "coordinator").string(); }

  [[nodiscard]] ClientCalls calls(Role role, std::optional<Rank> rank = {}) const {
    return {coordinator::find_endpoint(config_, role), rank};
  }
  [[nodiscard]] Status status() const {
    return calls(Role::observer)
        .call<Status>(Method::status, coordinator::StatusRequest{}, patience(5s));
  }

  /// Calls in the name of a rank, and expects to be refused.
  template <class Message>
  void lie(int rank, Method method, const Message& message, Reason reason,
           const std::string& what) {
    SCOPED_TRACE(what);
    try {
      // What comes back is of no interest: nothing should.
      (void)calls(Role::rank, Rank{rank}).call<Empty>(method, message, patience(5s));
      ADD_FAILURE() << "was taken";
    } catch (const coordinator::Refused& refused) {
      EXPECT_EQ(name_of(refused.reason()), name_of(reason)) << refused.what();
      ++refused_[static_cast<std::size_t>(refused.reason())];
    }
  }

  [[nodiscard]] const std::array<std::int64_t, coordinator::kNumReasons>& refused() const {
    return refused_;
  }

 private:
  coordinator::CoordinatorConfig config_;
  std::array<std::int64_t, coordinator::kNumReasons> refused_{};
};

/// The rank 0 that anybody can be who has read the status: it registers, and its records are
/// sound.
class InventedRankZero {
 public:
  explicit InventedRankZero(const Status& seen)
      : run_(seen.run), set_points_(seen.budget.in_force), term_(seen.term) {}

  [[nodiscard]] coordinator::Registration registration() const {
    return {.run = run_,
            .process = {Rank{0}, kInvented},
            .host = "nowhere",
            .process_id = 1,
            .seen_term = term_ - 1,
            .governor = coordinator::GovernorReport{Step{0}, {{Step{0}, set_points_}}}};
  }

  /// A report of the step after the last one.
  [[nodiscard]] RecordReport report() const {
    return {.run_id = run_.run_id,
            .process = {Rank{0}, kInvented},
            .term = term_,
            .records = {{.record = {.in_force = word_,
                                    .tokens = kTokens,
                                    .executed_L = {2 * kTokens, 3 * kTokens},
                                    .gain_L = {0.5, 0.5},
                                    .boundary_mass_L = {0.5, 0.5},
                                    .soft_mass_L = {2.0, 2.0}},
                         .before = state_}}};
  }
  /// It was taken: the step after it.
  void go_on() {
    const budget::Decision decision =
        budget::decide(state_, report().records.front().record, set_points_);
    state_ = decision.state;
    word_ = decision.word;
  }

 private:
  coordinator::RunIdentity run_;
  budget::SetPoints set_points_;
  std::int64_t term_;
  budget::ControllerState state_ = budget::initial_state(set_points_);
  budget::ControlWord word_ = budget::word_for(Step{0}, state_, set_points_);
};

/// A report of step 2 or later that is wrong in one way, and why rank 0 itself would be refused.
struct ReportLie {
  const char* what;
  Reason reason;
  std::function<void(RecordReport&)> change;
};

ReportLie in_record(const char* what, Reason reason, void (*change)(AuditedRecord&)) {
  return {what, reason, [change](RecordReport& said) { change(said.records.back()); }};
}

std::vector<ReportLie> lies_about_counts() {
  using Said = AuditedRecord;
  const Reason malformed = Reason::malformed;
  const Reason record = Reason::record;
  return {
      in_record("negative rows", malformed, [](Said& said) { said.record.executed_L[1] = -1; }),
      in_record("negative tokens", malformed, [](Said& said) { said.record.tokens = -kTokens; }),
      in_record("gain", malformed, [](Said& said) { said.record.gain_L[0] = kNan; }),
      in_record("mass", malformed, [](Said& said) { said.record.soft_mass_L[1] = kInfinity; }),
      in_record("lambda", malformed, [](Said& said) { said.record.in_force.lambda = kNan; }),
      in_record("debt", malformed, [](Said& said) { said.before.debt = -kInfinity; }),
      in_record("no tokens", record, [](Said& said) { said.record.tokens = 0; }),
      in_record("a gain below 0", record, [](Said& said) { said.record.gain_L[0] = -1.0; }),
      in_record("alpha", record, [](Said& said) { said.record.in_force.alpha = -1.0; }),
      in_record("a layer more", record, [](Said& said) { said.record.executed_L.push_back(600); }),
      in_record("a layer less", record, [](Said& said) { said.record.gain_L.pop_back(); }),
      in_record("no layers", record, [](Said& said) { said.record.executed_L.clear(); }),
      in_record("more rows than tokens times experts", record,
                [](Said& said) { said.record.executed_L[0] = kTokens * kExperts + 1; }),
      in_record("rows without end", record, [](Said& said) { said.record.executed_L[0] = kHuge; }),
      in_record("below the floor", record,
                [](Said& said) { said.record.executed_L[0] = kTokens - 1; }),
  };
}

std::vector<ReportLie> lies_about_order() {
  using Said = AuditedRecord;
  return {
      in_record("a known step, another record", Reason::record,
                [](Said& said) {
                  said.record.in_force.step = Step{0};
                  said.before.last_record = Step{-1};
                }),
      in_record("a state of later", Reason::record,
                [](Said& said) { said.before.last_record = said.record.step(); }),
      in_record("a negative step", Reason::malformed,
                [](Said& said) { said.record.in_force.step = Step{-5}; }),
      in_record("a jump", Reason::step,
                [](Said& said) { said.record.in_force.step = Step{1'000'000}; }),
      {"one step twice", Reason::step,
       [](RecordReport& said) { said.records.push_back(said.records.back()); }},
      {"too many records", Reason::malformed,
       [](RecordReport& said) { said.records.resize(1025, said.records.back()); }},
      {"a revision of nobody", Reason::set_points,
       [](RecordReport& said) { said.held_revision = 7; }},
      {"a request of nobody", Reason::set_points,
       [](RecordReport& said) { said.held_request = kHuge; }},
      {"a negative request", Reason::malformed, [](RecordReport& said) { said.held_request = -1; }},
      {"an old term", Reason::term, [](RecordReport& said) { --said.term; }},
      {"a term to come", Reason::term, [](RecordReport& said) { ++said.term; }},
      {"another run", Reason::run, [](RecordReport& said) { said.run_id = "another"; }},
      {"another incarnation", Reason::second_owner,
       [](RecordReport& said) { ++said.process.incarnation; }},
      {"no incarnation", Reason::malformed,
       [](RecordReport& said) { said.process.incarnation = 0; }},
  };
}

/// Tells all of these, one at a time, each from a report that is sound but for it.
/// @param reason_of  why it is refused, from why rank 0 itself would be
void tell(Liar& liar, const std::vector<ReportLie>& lies, const RecordReport& sound,
          const std::function<Reason(Reason)>& reason_of) {
  for (const ReportLie& lie : lies) {
    RecordReport said = sound;
    lie.change(said);
    liar.lie(0, Method::report, said, reason_of(lie.reason), lie.what);
  }
}

/// A caller that does not own the rank gets no further than that, unless its message is no message
/// or of another run or term.
Reason to_a_stranger(Reason reason) {
  const bool comes_first =
      reason == Reason::malformed || reason == Reason::run || reason == Reason::term;
  return comes_first ? reason : Reason::second_owner;
}

/// What a rank that has an owner hears, and one outside the world.
void lie_in_the_name_of_others(Liar& liar, const Status& seen) {
  const std::string& run = seen.run.run_id;
  for (int rank = 0; rank < 3; ++rank) {
    const Reason reason = rank < 2 ? Reason::second_owner : Reason::rank;
    const coordinator::RankProcess process{Rank{rank}, kInvented};
    const coordinator::Registration registration{.run = seen.run,
                                                 .process = process,
                                                 .host = "nowhere",
                                                 .process_id = 1,
                                                 .seen_term = seen.term,
                                                 .governor = {}};
    const coordinator::Heartbeat heartbeat{
        .run_id = run, .process = process, .term = seen.term, .place = {.step = Step{1}}};
    coordinator::Heartbeat before = heartbeat;
    before.term = seen.term - 1;
    coordinator::Heartbeat nowhere = heartbeat;
    nowhere.place.step = Step{-1};

    liar.lie(rank, Method::register_rank, registration, reason, "registration");
    liar.lie(rank, Method::heartbeat, heartbeat, reason, "heartbeat");
    liar.lie(rank, Method::heartbeat, before, Reason::term, "heartbeat of an old term");
    liar.lie(rank, Method::heartbeat, nowhere, Reason::malformed, "heartbeat of a negative step");
    liar.lie(rank, Method::farewell,
             coordinator::Farewell{.run_id = run, .process = process, .term = seen.term}, reason,
             "farewell");
    // Who calls, and whose message it is, are two ranks.
    liar.lie((rank + 1) % 3, Method::heartbeat, heartbeat, Reason::role, "another's heartbeat");
  }
}

void lie_when_registering(Liar& liar, const coordinator::Registration& sound) {
  const auto lie = [&](Reason reason, const char* what, auto&& change) {
    coordinator::Registration said = sound;
    change(said);
    liar.lie(0, Method::register_rank, said, reason, what);
  };
  using Said = coordinator::Registration;
  lie(Reason::run, "run", [](Said& said) { said.run.run_id = "another"; });
  lie(Reason::version, "version", [](Said& said) { said.run.version = "0.0.0"; });
  lie(Reason::configuration, "hash", [](Said& said) { said.run.config_hash = "beef"; });
  lie(Reason::configuration, "world", [](Said& said) { said.run.world = 4; });
  lie(Reason::term, "term", [](Said& said) { said.seen_term = kHuge; });
  lie(Reason::malformed, "term", [](Said& said) { said.seen_term = -1; });
  lie(Reason::malformed, "nobody", [](Said& said) { said.process.incarnation = 0; });
  lie(Reason::malformed, "no port", [](Said& said) { said.metrics_address = "nowhere"; });
  lie(Reason::malformed, "another page",
      [](Said& said) { said.metrics_address = "nowhere:80/secrets?a:1"; });
  lie(Reason::malformed, "a long host",
      [](Said& said) { said.metrics_address = std::string(300, 'a') + ":1"; });
}

/// Calls of other roles, and bytes that are no message.
void lie_about_what_it_may_say(Liar& liar) {
  liar.lie(0, Method::change, coordinator::ChangeOrder{.budget = 2.0}, Reason::role, "change");
  liar.lie(0, Method::request, coordinator::RequestOrder{budget::Request::drain}, Reason::role,
           "drain");
  liar.lie(0, Method::status, coordinator::StatusRequest{}, Reason::role, "status");
  liar.lie(-1, Method::heartbeat, Bytes{}, Reason::malformed, "a rank below 0");

  for (const Method method :
       {Method::register_rank, Method::heartbeat, Method::report, Method::farewell}) {
    liar.lie(1, method, Bytes{"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"}, Reason::malformed,
             "garbage");
    liar.lie(1, method, Bytes{"\x08\x63"}, Reason::version, "protocol 99");
    liar.lie(1, method, Bytes{"\x08\x01"}, Reason::malformed, "nothing but the protocol");
  }
  liar.lie(1, Method::heartbeat, Bytes{std::string(20'000, '\0')}, Reason::too_large, "20 kB");
  liar.lie(1, Method::report, Bytes{std::string((1 << 20) + 1, '\0')}, Reason::too_large, "1 MB");
}

TEST(LyingRank, IsRefusedAndTheRunGoesOnAsIfNobodyHadSpoken) {
  constexpr std::int64_t kSteps = 1000;
  const Workplace place;
  const Words steps = {"training.steps=" + std::to_string(kSteps)};
  CoordinatorProcess coordinator(place, 2, steps + kManyCalls);
  RunningProgram run(supervised_train(place, 2, "run", steps + kManyCalls), patience(60s));
  (void)wait_for_status(place, [](const nlohmann::json& status) {
    return status["last_record"] > 3 && status["ranks"][1]["state"] == "alive";
  });
  Liar liar(place);

  const Status seen = liar.status();
  const InventedRankZero invented(seen);
  tell(liar, lies_about_counts(), invented.report(), to_a_stranger);
  tell(liar, lies_about_order(), invented.report(), to_a_stranger);
  RecordReport of_one = invented.report();
  of_one.process.rank = Rank{1};
  liar.lie(1, Method::report, of_one, Reason::rank, "records from rank 1");
  lie_in_the_name_of_others(liar, seen);
  lie_when_registering(liar, invented.registration());
  lie_about_what_it_may_say(liar);
  const Status lied_to = liar.status();
  const Ended trained = run.wait();

  EXPECT_LT(lied_to.last_record.value, kSteps - 1) << "the run was over too soon";
  EXPECT_EQ(trained.code, 0) << trained.output;
  const Status after = liar.status();
  EXPECT_EQ(after.refusals, liar.refused());
  EXPECT_EQ(after.term, seen.term);
  EXPECT_EQ(after.last_record.value, kSteps - 1);
  EXPECT_EQ(after.audit.agreed, kSteps);
  EXPECT_EQ(after.audit.disagreed, 0);
  EXPECT_EQ(after.audit.unaudited, 0);
  for (const coordinator::MemberStatus& member : after.members) {
    EXPECT_EQ(member.state, coordinator::MemberState::left);
    EXPECT_EQ(member.incarnations, 1);
  }
  const Ended undisturbed = place.on_ranks(
      2,
      Words{"train", "-c", "config.yaml", "run.folder=undisturbed", "coordinator.placement=off"} +
          steps);
  ASSERT_EQ(undisturbed.code, 0) << undisturbed.output;
  EXPECT_EQ(weights_of(place / "run/model.safetensors"),
            weights_of(place / "undisturbed/model.safetensors"));
}

TEST(LyingRank, IsRefusedAlsoWhereItOwnsItsRank) {
  const Workplace place;
  CoordinatorProcess coordinator(place, 2, kManyCalls);
  Liar liar(place);
  InventedRankZero invented(liar.status());
  ClientCalls calls = liar.calls(Role::rank, Rank{0});
  const auto report = [&] {
    const auto reply =
        calls.call<coordinator::RecordReply>(Method::report, invented.report(), patience(5s));
    invented.go_on();
    return reply;
  };
  const auto admission = calls.call<coordinator::Admission>(Method::register_rank,
                                                            invented.registration(), patience(5s));
  ASSERT_EQ(admission.term, liar.status().term);
  for (int step = 0; step < 2; ++step) (void)report();

  const auto as_it_is = [](Reason reason) { return reason; };
  for (int step = 0; step < 3; ++step) {
    tell(liar, lies_about_counts(), invented.report(), as_it_is);
    tell(liar, lies_about_order(), invented.report(), as_it_is);
    (void)report();
  }
  lie_when_registering(liar, invented.registration());
  coordinator::Registration without = invented.registration();
  without.governor.reset();
  liar.lie(0, Method::register_rank, without, Reason::set_points, "rank 0 without a governor");
  coordinator::Registration second = invented.registration();
  second.process.rank = Rank{1};
  liar.lie(1, Method::register_rank, second, Reason::set_points, "a second governor");
  coordinator::Registration generous = invented.registration();
  generous.governor->changes.front().set_points.budget = 16.0;
  liar.lie(0, Method::register_rank, generous, Reason::set_points, "a budget of its own");

  const Status after = liar.status();
  EXPECT_EQ(after.refusals, liar.refused());
  EXPECT_EQ(after.term, admission.term);
  EXPECT_EQ(after.last_record, Step{4});
  EXPECT_EQ(after.audit.agreed, 5);
  EXPECT_EQ(after.audit.disagreed, 0);
  EXPECT_EQ(after.members[0].incarnations, 1);
  EXPECT_EQ(after.members[1].state, coordinator::MemberState::absent);
}

TEST(LyingRank, IsFoundOutByTheAuditWhereItsRecordsCouldBeTrue) {
  const Workplace place;
  CoordinatorProcess coordinator(place, 2, kManyCalls);
  Liar liar(place);
  InventedRankZero invented(liar.status());
  ClientCalls calls = liar.calls(Role::rank, Rank{0});
  (void)calls.call<coordinator::Admission>(Method::register_rank, invented.registration(),
                                           patience(5s));
  (void)calls.call<coordinator::RecordReply>(Method::report, invented.report(), patience(5s));
  invented.go_on();

  RecordReport said = invented.report();
  said.records.back().record.in_force.lambda += 0.125;
  (void)calls.call<coordinator::RecordReply>(Method::report, said, patience(5s));

  const Status after = liar.status();
  EXPECT_EQ(after.audit.agreed, 1);
  EXPECT_EQ(after.audit.disagreed, 1);
  ASSERT_FALSE(after.alarms.empty());
  EXPECT_EQ(after.alarms.front().kind, coordinator::AlarmKind::disagreement);
  EXPECT_EQ(after.alarms.front().step, Step{1});
}

}  // namespace
}  // namespace softmoe::test
