#include "coordinator/verdict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "coordinator/place.h"

namespace softmoe::coordinator {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr Patience kPatience{.silence_seconds = 5.0, .stall_seconds = 30.0};

Progress::Place place(std::int64_t step, Phase phase, std::int64_t operation, int layer = 1) {
  return {.step = Step{step}, .phase = phase, .layer = layer, .operation = operation};
}

MemberView member(int rank, const Progress::Place& place, double stand, double unheard = 0.5) {
  return {.rank = Rank{rank},
          .state = unheard > kPatience.silence_seconds ? MemberState::silent : MemberState::alive,
          .host = "n1",
          .process_id = 4711,
          .place = place,
          .seconds_since_heartbeat = unheard,
          .seconds_since_move = stand};
}

TEST(Verdict, TellsWhoIsSilentAndWhoWaitsWhere) {
  const Progress::Place behind = place(40, Phase::experts, 5312);
  const Progress::Place ahead = place(40, Phase::counts, 5313);
  const std::vector<MemberView> members = {member(0, ahead, 6), member(1, ahead, 6),
                                           member(2, behind, 6.1, 6.1), member(3, ahead, 6)};

  const Verdict verdict = judge(members, kPatience);

  EXPECT_EQ(verdict.kind, VerdictKind::silent);
  EXPECT_THAT(verdict.ranks, ElementsAre(Rank{2}));
  EXPECT_EQ(verdict.awaited, ahead);
  EXPECT_EQ(verdict.text,
            "rank 2 (host n1, pid 4711) is silent for 6.1 s; last seen in experts of layer 1, "
            "operation 5312 of step 40; ranks 0, 1, 3 wait in counts of layer 1, operation 5313 "
            "of step 40, which rank 2 has not entered");
}

TEST(Verdict, ASilentRankWhoseOthersGoOnHasPerhapsOnlyLostItsLine) {
  const std::vector<MemberView> members = {member(0, place(41, Phase::loss, 3), 0.1),
                                           member(1, place(40, Phase::loss, 3), 6, 6)};

  const Verdict verdict = judge(members, kPatience);

  EXPECT_THAT(verdict.text, HasSubstr("rank 0 goes on"));
  EXPECT_EQ(verdict.awaited, std::nullopt);
}

TEST(Verdict, OfManySilentRanksTheFirstOneIsNamedFirst) {
  const Progress::Place here = place(40, Phase::dispatch, 9);
  const std::vector<MemberView> members = {member(0, here, 7, 6.0), member(1, here, 7, 6.5),
                                           member(2, here, 7, 5.5)};

  EXPECT_THAT(judge(members, kPatience).ranks, ElementsAre(Rank{1}, Rank{0}, Rank{2}));
}

TEST(Verdict, AStalledRankIsTheOneInTheLowestPlace) {
  const std::vector<MemberView> members = {
      member(0, place(40, Phase::dispatch, 12), 31), member(1, place(40, Phase::experts, 10), 31.2),
      member(2, place(40, Phase::counts, 11), 31), member(3, place(40, Phase::counts, 11), 31)};

  const Verdict verdict = judge(members, kPatience);

  EXPECT_EQ(verdict.kind, VerdictKind::stalled);
  EXPECT_THAT(verdict.ranks, ElementsAre(Rank{1}));
  EXPECT_EQ(verdict.awaited, place(40, Phase::counts, 11));
  EXPECT_EQ(verdict.text,
            "rank 1 (host n1, pid 4711) has not moved for 31.0 s from experts of layer 1, "
            "operation 10 of step 40; ranks 2, 3 wait in counts of layer 1, operation 11 of step "
            "40, which rank 1 has not entered, rank 0 in dispatch of layer 1, operation 12 of step "
            "40");
}

TEST(Verdict, ACountThatStartedAgainIsAheadOfOneThatHasNot) {
  const std::vector<MemberView> members = {
      member(0, place(40, Phase::counts, 2), 31),
      member(1, place(40, Phase::experts, kOperationsPerRound - 3), 31)};

  EXPECT_THAT(judge(members, kPatience).ranks, ElementsAre(Rank{1}));
}

TEST(Verdict, ALongSaveIsAStallOnlyPastTheLimit) {
  std::vector<MemberView> members = {member(0, place(40, Phase::storage, 90), 29.9),
                                     member(1, place(40, Phase::reduce, 91), 29.9)};
  EXPECT_EQ(judge(members, kPatience).kind, VerdictKind::none);

  for (MemberView& each : members) each.seconds_since_move = 30.0;
  EXPECT_THAT(judge(members, kPatience).ranks, ElementsAre(Rank{0}));
  EXPECT_THAT(judge(members, kPatience).text, HasSubstr("from storage, operation 90 of step 40"));
}

TEST(Verdict, IdleRanksHoldNobodyUpUnlessSomebodyWaitsForThem) {
  std::vector<MemberView> members = {member(0, {}, 1000), member(1, {}, 1000)};
  EXPECT_EQ(judge(members, kPatience).kind, VerdictKind::none);

  members[1].place = place(0, Phase::reduce, 4);
  EXPECT_THAT(judge(members, kPatience).ranks, ElementsAre(Rank{0}));
}

TEST(Verdict, ARankThatLeftIsNotSilentAndHoldsNobodyUp) {
  std::vector<MemberView> members = {member(0, place(9, Phase::storage, 1), 10),
                                     member(1, place(9, Phase::reduce, 0), 1000, 1000)};
  members[1].state = MemberState::left;

  EXPECT_EQ(judge(members, kPatience).kind, VerdictKind::none);
  members[0].seconds_since_move = 31;
  EXPECT_THAT(judge(members, kPatience).ranks, ElementsAre(Rank{0}));
}

TEST(Verdict, ARankThatLeftInFailureIsWhatTheOthersWaitFor) {
  std::vector<MemberView> members = {member(0, place(9, Phase::counts, 6), 31),
                                     member(1, place(9, Phase::experts, 5), 40, 40)};
  members[1].state = MemberState::left;
  members[1].departure = Departure::failed;
  members[1].farewell = "out of memory";

  const Verdict verdict = judge(members, kPatience);

  EXPECT_THAT(verdict.ranks, ElementsAre(Rank{1}));
  EXPECT_THAT(verdict.text, HasSubstr("which left in failure (out of memory)"));
}

TEST(Verdict, RanksThatNeverRegisteredAreNamedOnceTheOthersHaveWaitedForLong) {
  std::vector<MemberView> members = {member(0, {}, 29), {.rank = Rank{1}}, {.rank = Rank{2}}};
  EXPECT_EQ(judge(members, kPatience).kind, VerdictKind::none);

  members[0].seconds_since_move = 31;
  const Verdict verdict = judge(members, kPatience);

  EXPECT_EQ(verdict.kind, VerdictKind::absent);
  EXPECT_THAT(verdict.ranks, ElementsAre(Rank{1}, Rank{2}));
  EXPECT_THAT(verdict.text, HasSubstr("ranks 1, 2 never registered"));
  EXPECT_THAT(verdict.text, HasSubstr("rank 0 waits in idle"));
}

// The order in which a rank of a small model goes through a step, by operation; it is what a run
// of two layers enters, forward and back.
constexpr Phase kStepPhases[] = {Phase::data,    Phase::embedding, Phase::norm,   Phase::attention,
                                 Phase::router,  Phase::pack,      Phase::counts, Phase::dispatch,
                                 Phase::experts, Phase::combine,   Phase::loss,   Phase::dispatch,
                                 Phase::experts, Phase::combine,   Phase::reduce, Phase::optimizer,
                                 Phase::gather,  Phase::storage,   Phase::idle};
constexpr std::int64_t kNumOperations = std::size(kStepPhases);

bool needs_all(Phase phase) {
  return phase == Phase::counts || phase == Phase::dispatch || phase == Phase::combine ||
         phase == Phase::reduce || phase == Phase::gather;
}

Progress::Place place_at(std::int64_t done) {
  const std::int64_t operation = done % kNumOperations;
  return place(done / kNumOperations, kStepPhases[operation], operation, 1);
}

/// Where the others end up when one rank stops: they go on until an operation needs it.
std::int64_t next_that_needs_all(std::int64_t after) {
  std::int64_t done = after + 1;
  while (!needs_all(kStepPhases[done % kNumOperations])) ++done;
  return done;
}

TEST(Verdict, WhoeverStopsIsTheOneNamedInEveryPhase) {
  std::mt19937 random(1234);
  for (int trial = 0; trial < 4000; ++trial) {
    const int world = 2 + static_cast<int>(random() % 7);
    const int culprit = static_cast<int>(random() % static_cast<unsigned>(world));
    const auto stopped = static_cast<std::int64_t>(random() % (3 * kNumOperations));
    const bool is_frozen = random() % 2 == 0;  // with its heartbeats, or without
    const std::int64_t waiting = next_that_needs_all(stopped);
    std::vector<MemberView> members;
    for (int rank = 0; rank < world; ++rank) {
      const double jitter = static_cast<double>(random() % 100) / 100.0;
      const double unheard = rank == culprit && is_frozen ? 5.1 + jitter : jitter;
      // A slow one among the others is still on its way to where they wait.
      const std::int64_t others =
          stopped + 1 +
          static_cast<std::int64_t>(random() % static_cast<unsigned>(waiting - stopped));
      members.push_back(member(rank, place_at(rank == culprit ? stopped : others),
                               (is_frozen ? 5.0 : 30.0) + jitter, unheard));
    }
    std::shuffle(members.begin(), members.end(), random);

    const Verdict verdict = judge(members, kPatience);

    ASSERT_EQ(verdict.kind, is_frozen ? VerdictKind::silent : VerdictKind::stalled);
    ASSERT_THAT(verdict.ranks, ElementsAre(Rank{culprit}))
        << "stopped in " << in_words(place_at(stopped)) << ": " << verdict.text;
    ASSERT_TRUE(verdict.awaited.has_value());
    ASSERT_GT(compare(*verdict.awaited, place_at(stopped)), 0);
    ASSERT_LE(compare(*verdict.awaited, place_at(waiting)), 0);
  }
}

TEST(Verdict, ARankThatStopsInsideAnOperationOfAllIsNamedByItsSilence) {
  for (std::int64_t done = 0; done < kNumOperations; ++done) {
    if (!needs_all(kStepPhases[done])) continue;
    const std::vector<MemberView> members = {member(0, place_at(done), 6),
                                             member(1, place_at(done), 6, 6),
                                             member(2, place_at(done), 6)};
    EXPECT_THAT(judge(members, kPatience).ranks, ElementsAre(Rank{1}));
  }
}

TEST(Verdict, NobodyIsNamedWhileAnybodyMoves) {
  std::mt19937 random(99);
  for (int trial = 0; trial < 1000; ++trial) {
    std::vector<MemberView> members;
    for (int rank = 0; rank < 4; ++rank) {
      members.push_back(member(rank, place_at(static_cast<std::int64_t>(random() % 100)),
                               static_cast<double>(random() % 60)));
    }
    members[random() % 4].seconds_since_move = static_cast<double>(random() % 30);

    EXPECT_EQ(judge(members, kPatience).kind, VerdictKind::none);
  }
}

}  // namespace
}  // namespace softmoe::coordinator
