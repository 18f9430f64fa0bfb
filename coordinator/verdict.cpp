#include "coordinator/verdict.h"

#include <fmt/core.h>

#include <algorithm>

#include "coordinator/place.h"

namespace softmoe::coordinator {
namespace {

constexpr std::size_t kMaxNamedInFull = 3;

using Members = std::vector<const MemberView*>;

Members those(std::span<const MemberView> members, const auto& is_wanted) {
  Members found;
  for (const MemberView& member : members) {
    if (is_wanted(member)) found.push_back(&member);
  }
  return found;
}

std::vector<Rank> ranks_of(const Members& members) {
  std::vector<Rank> ranks;
  for (const MemberView* member : members) ranks.push_back(member->rank);
  return ranks;
}

std::string name_in_full(const MemberView& member) {
  return fmt::format("rank {} (host {}, pid {})", member.rank.value, member.host,
                     member.process_id);
}

/// Groups by place, the one furthest behind first.
std::vector<Standing> standings_of(Members members) {
  std::stable_sort(members.begin(), members.end(), [](const MemberView* a, const MemberView* b) {
    return compare(a->place, b->place) < 0;
  });
  std::vector<Standing> standings;
  for (const MemberView* member : members) {
    if (standings.empty() || compare(standings.back().place, member->place) != 0) {
      standings.push_back({member->place, {}});
    }
    standings.back().ranks.push_back(member->rank);
  }
  return standings;
}

/// "; ranks 0, 1 wait in P, which rank 2 has not entered, rank 3 in Q", and notes what is awaited.
std::string describe_waiting(Verdict& verdict, const Progress::Place& reached) {
  std::string text;
  for (const Standing& standing : verdict.waiting) {
    const bool is_first = text.empty();
    text += fmt::format("{}{} {}in {}", is_first ? "; " : ", ", in_words(standing.ranks),
                        !is_first                    ? ""
                        : standing.ranks.size() == 1 ? "waits "
                                                     : "wait ",
                        in_words(standing.place));
    if (verdict.awaited || compare(standing.place, reached) <= 0) continue;
    verdict.awaited = standing.place;
    text += fmt::format(", which {} {} not entered", in_words(verdict.ranks),
                        verdict.ranks.size() == 1 ? "has" : "have");
  }
  return text;
}

/// Where the furthest of the members is.
Progress::Place furthest_place(const Members& members) {
  Progress::Place furthest = members.front()->place;
  for (const MemberView* member : members) {
    if (compare(member->place, furthest) > 0) furthest = member->place;
  }
  return furthest;
}

Verdict judge_silent(Members silent, const Members& alive, const Patience& patience) {
  std::stable_sort(silent.begin(), silent.end(), [](const MemberView* a, const MemberView* b) {
    return a->seconds_since_heartbeat > b->seconds_since_heartbeat;
  });
  Verdict verdict{.kind = VerdictKind::silent, .ranks = ranks_of(silent)};
  const std::size_t num_named = std::min(silent.size(), kMaxNamedInFull);
  for (std::size_t i = 0; i < num_named; ++i) {
    const MemberView& member = *silent[i];
    verdict.text +=
        fmt::format("{}{} is silent for {:.1f} s; last seen in {}", i == 0 ? "" : "; ",
                    name_in_full(member), member.seconds_since_heartbeat, in_words(member.place));
  }
  if (num_named < silent.size()) {
    verdict.text +=
        fmt::format("; {} later", in_words(std::span(verdict.ranks).subspan(num_named)));
  }

  // Others that went on after the silence began do not wait for it: perhaps only a line is cut.
  Members waiting;
  Members moving;
  for (const MemberView* member : alive) {
    const bool moves = member->seconds_since_move < 0.5 * patience.silence_seconds;
    (moves ? moving : waiting).push_back(member);
  }
  verdict.waiting = standings_of(waiting);
  verdict.text += describe_waiting(verdict, furthest_place(silent));
  if (!moving.empty()) {
    verdict.text +=
        fmt::format("; {} {} on", in_words(ranks_of(moving)), moving.size() == 1 ? "goes" : "go");
  }
  return verdict;
}

double shortest_stand(const Members& members) {
  double shortest = members.front()->seconds_since_move;
  for (const MemberView* member : members) {
    shortest = std::min(shortest, member->seconds_since_move);
  }
  return shortest;
}

Verdict judge_absent(const Members& absent, const Members& alive) {
  Verdict verdict{.kind = VerdictKind::absent, .ranks = ranks_of(absent)};
  verdict.waiting = standings_of(alive);
  verdict.awaited = verdict.waiting.back().place;
  verdict.text = fmt::format("{} never registered, and nobody has moved for {:.1f} s",
                             in_words(verdict.ranks), shortest_stand(alive));
  std::string opening = alive.size() == 1 ? "waits " : "wait ";
  for (const Standing& standing : verdict.waiting) {
    verdict.text +=
        fmt::format("; {} {}in {}", in_words(standing.ranks), opening, in_words(standing.place));
    opening.clear();
  }
  return verdict;
}

/// What is said of those who hold the run up; the stand is that of the one who moved last.
std::string describe_laggards(const Members& laggards, double stand) {
  const Progress::Place& place = laggards.front()->place;
  if (laggards.size() > kMaxNamedInFull) {
    return fmt::format("{} have not moved for {:.1f} s from {}", in_words(ranks_of(laggards)),
                       stand, in_words(place));
  }
  std::string names;
  for (const MemberView* member : laggards) {
    names += fmt::format("{}{}", names.empty() ? "" : ", ", name_in_full(*member));
    if (member->state == MemberState::left) {
      names += fmt::format(", which left in failure ({}),", member->farewell);
    }
  }
  return fmt::format("{} {} not moved for {:.1f} s from {}", names,
                     laggards.size() == 1 ? "has" : "have", stand, in_words(place));
}

Verdict judge_stalled(const Members& candidates, double stand) {
  std::vector<Standing> standings = standings_of(candidates);
  Verdict verdict{.kind = VerdictKind::stalled, .ranks = standings.front().ranks};
  verdict.waiting.assign(standings.begin() + 1, standings.end());
  Members laggards;
  for (const MemberView* member : candidates) {
    if (compare(member->place, standings.front().place) == 0) laggards.push_back(member);
  }
  verdict.text = describe_laggards(laggards, stand);
  if (verdict.waiting.empty() && laggards.size() > 1) {
    verdict.text += "; all are in the same place";
  }
  verdict.text += describe_waiting(verdict, standings.front().place);
  return verdict;
}

}  // namespace

Verdict judge(std::span<const MemberView> members, const Patience& patience) {
  const auto in_state = [&](MemberState state) {
    return those(members, [&](const MemberView& member) { return member.state == state; });
  };
  const Members alive = in_state(MemberState::alive);
  const Members silent = in_state(MemberState::silent);
  if (!silent.empty()) return judge_silent(silent, alive, patience);
  if (alive.empty()) return {};
  const double stand = shortest_stand(alive);
  if (stand < patience.stall_seconds) return {};

  const Members absent = in_state(MemberState::absent);
  if (!absent.empty()) return judge_absent(absent, alive);
  const bool is_idle = std::all_of(alive.begin(), alive.end(), [](const MemberView* member) {
    return member->place.phase == Phase::idle;
  });
  if (is_idle) return {};
  return judge_stalled(those(members,
                             [](const MemberView& member) {
                               return member.state == MemberState::alive ||
                                      member.departure == Departure::failed;
                             }),
                       stand);
}

}  // namespace softmoe::coordinator
