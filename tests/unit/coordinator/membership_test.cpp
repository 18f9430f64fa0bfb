#include "coordinator/membership.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/place.h"
#include "tests/unit/coordinator/honest_run.h"

namespace softmoe::coordinator {
namespace {

using ::testing::HasSubstr;

constexpr double kSilence = 5.0;

class MembershipOfThree : public ::testing::Test {
 protected:
  void admit(int rank, std::uint64_t incarnation, double seconds) {
    const Registration registration = registration_of(plan_of(3), rank, incarnation);
    members.check_admission(registration.process, at(seconds));
    members.admit(registration, at(seconds));
  }
  void beat(int rank, std::uint64_t incarnation, const Progress::Place& place, double seconds) {
    members.take_heartbeat({.process = {Rank{rank}, incarnation}, .place = place}, at(seconds));
  }
  MemberState state(int rank, double seconds) {
    return members.list(at(seconds))[static_cast<std::size_t>(rank)].state;
  }

  Membership members{3, kSilence};
};

Progress::Place place(std::int64_t step, std::int64_t operation) {
  return {.step = Step{step}, .phase = Phase::experts, .layer = 1, .operation = operation};
}

TEST_F(MembershipOfThree, ARankIsAbsentThenAliveThenSilentThenGone) {
  EXPECT_EQ(state(1, 0), MemberState::absent);
  admit(1, 7, 0);
  EXPECT_EQ(state(1, 4.9), MemberState::alive);
  EXPECT_EQ(state(1, 5.1), MemberState::silent);
  beat(1, 7, place(0, 1), 6);
  EXPECT_EQ(state(1, 6), MemberState::alive);
  members.take_farewell({.process = {Rank{1}, 7}}, at(6));
  EXPECT_EQ(state(1, 60), MemberState::left);
}

TEST_F(MembershipOfThree, TheAddressOfMetricsIsThatOfTheLastRegistration) {
  Registration registration = registration_of(plan_of(3), 1, 7);
  registration.metrics_address = "n1:9100";
  members.admit(registration, at(0));
  EXPECT_EQ(members.list(at(0))[1].metrics_address, "n1:9100");
  EXPECT_EQ(members.list(at(0))[2].metrics_address, "");

  registration.process.incarnation = 8;
  registration.metrics_address = "";
  members.admit(registration, at(10));

  EXPECT_EQ(members.list(at(10))[1].metrics_address, "");
}

TEST_F(MembershipOfThree, ALiveOwnerIsNotReplacedAndASilentOneIs) {
  admit(2, 7, 0);
  EXPECT_EQ(refusal_of([&] { admit(2, 8, 4.9); }), Reason::second_owner);

  admit(2, 8, 5.1);

  EXPECT_EQ(refusal_of([&] { beat(2, 7, place(0, 1), 5.2); }), Reason::second_owner);
  beat(2, 8, place(0, 1), 5.2);
  EXPECT_EQ(members.list(at(6))[2].incarnations, 2);
}

TEST_F(MembershipOfThree, AProcessThatWasReplacedNeverComesBack) {
  admit(2, 7, 0);
  admit(2, 8, 10);

  EXPECT_EQ(refusal_of([&] { admit(2, 7, 100); }), Reason::second_owner);
  EXPECT_EQ(refusal_of([&] { beat(2, 7, place(0, 1), 100); }), Reason::second_owner);
}

TEST_F(MembershipOfThree, AfterAFarewellTheNextProcessNeedNotWait) {
  admit(0, 7, 0);
  members.take_farewell({.process = {Rank{0}, 7}}, at(1));

  admit(0, 8, 1);

  EXPECT_EQ(state(0, 1), MemberState::alive);
}

TEST_F(MembershipOfThree, TheSameProcessMayComeAgainAndItsPlaceStays) {
  admit(0, 7, 0);
  beat(0, 7, place(3, 9), 1);

  admit(0, 7, 2);

  EXPECT_EQ(members.list(at(2))[0].incarnations, 1);
  EXPECT_EQ(refusal_of([&] { beat(0, 7, place(3, 8), 2); }), Reason::step);
}

TEST_F(MembershipOfThree, PlacesNeverGoBackWithinAnIncarnation) {
  admit(1, 7, 0);
  beat(1, 7, place(40, 100), 1);

  EXPECT_EQ(refusal_of([&] { beat(1, 7, place(39, 200), 2); }), Reason::step);
  EXPECT_EQ(refusal_of([&] { beat(1, 7, place(40, 99), 2); }), Reason::step);
  EXPECT_EQ(members.list(at(2))[1].seconds_since_heartbeat, 1.0) << "a refused call is no sign";
  beat(1, 7, place(40, 100), 3);
  beat(1, 7, place(41, 0), 3);
  admit(1, 8, 30);
  beat(1, 8, place(12, 5), 30);
}

TEST_F(MembershipOfThree, TheCountOfOperationsMayStartAgain) {
  admit(1, 7, 0);
  beat(1, 7, place(40, kOperationsPerRound - 2), 1);

  beat(1, 7, place(40, 3), 2);

  EXPECT_EQ(refusal_of([&] { beat(1, 7, place(40, kOperationsPerRound - 1), 3); }), Reason::step);
}

TEST_F(MembershipOfThree, APlaceThatCannotBeIsRefused) {
  admit(1, 7, 0);
  const Phase no_phase = static_cast<Phase>(kNumPhases);

  EXPECT_EQ(refusal_of([&] { beat(1, 7, place(-1, 0), 1); }), Reason::step);
  EXPECT_EQ(refusal_of([&] { beat(1, 7, place(1, kOperationsPerRound), 1); }), Reason::step);
  EXPECT_EQ(refusal_of([&] { beat(1, 7, {.phase = no_phase}, 1); }), Reason::step);
  EXPECT_EQ(refusal_of([&] { beat(1, 7, {.layer = -3}, 1); }), Reason::step);
}

TEST_F(MembershipOfThree, WhoIsNotInTheWorldOrNotRegisteredIsTold) {
  EXPECT_EQ(refusal_of([&] { admit(3, 7, 0); }), Reason::rank);
  EXPECT_EQ(refusal_of([&] { admit(-1, 7, 0); }), Reason::rank);
  EXPECT_EQ(refusal_of([&] { admit(1, 0, 0); }), Reason::rank);
  EXPECT_EQ(refusal_of([&] { beat(1, 7, place(0, 0), 0); }), Reason::rank);
}

TEST_F(MembershipOfThree, TheRefusalNamesTheOwnerAndTheCure) {
  admit(2, 7, 0);

  try {
    admit(2, 8, 1.5);
    FAIL() << "a second owner";
  } catch (const Refused& refused) {
    EXPECT_THAT(refused.what(), HasSubstr("rank 2 is owned by pid 4702 on n1"));
    EXPECT_THAT(refused.what(), HasSubstr("heard 1.5 s ago"));
    EXPECT_THAT(refused.what(), HasSubstr("until it is silent for 5.0 s"));
  }
}

TEST_F(MembershipOfThree, TimeInWhichNobodyCouldBeHeardCountsForNobody) {
  admit(0, 7, 0);
  admit(1, 8, 0);
  beat(1, 8, place(0, 1), 100);

  members.forgive(std::chrono::seconds(100), at(100));

  EXPECT_EQ(state(0, 100), MemberState::alive);
  EXPECT_EQ(members.list(at(100))[1].seconds_since_heartbeat, 0.0);
}

TEST(RanksInWords, AreListedAndRunsAreShortened) {
  const auto words = [](std::vector<int> numbers) {
    std::vector<Rank> ranks;
    for (const int number : numbers) ranks.emplace_back(number);
    return in_words(ranks);
  };
  EXPECT_EQ(words({2}), "rank 2");
  EXPECT_EQ(words({3, 0, 1}), "ranks 0, 1, 3");
  EXPECT_EQ(words({0, 1, 2, 3, 5}), "ranks 0 to 3, 5");
  std::vector<int> odd;
  for (int i = 0; i < 20; ++i) odd.push_back(2 * i);
  EXPECT_THAT(words(odd), HasSubstr("22 and 8 more"));
}

}  // namespace
}  // namespace softmoe::coordinator
