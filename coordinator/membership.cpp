#include "coordinator/membership.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "coordinator/event_log.h"
#include "coordinator/place.h"

namespace softmoe::coordinator {
namespace {

constexpr std::size_t kMaxReplaced = 64;

double seconds_between(Membership::TimePoint from, Membership::TimePoint to) {
  return std::chrono::duration<double>(to - from).count();
}

}  // namespace

Membership::Membership(int world, double silence_seconds)
    : members_W_(static_cast<std::size_t>(world)), silence_(silence_seconds) {}

const Membership::Member& Membership::member(Rank rank) const {
  if (rank.value < 0 || static_cast<std::size_t>(rank.value) >= members_W_.size()) {
    throw Refused(Reason::rank,
                  fmt::format("rank {} is outside the world of {}", rank.value, members_W_.size()));
  }
  return members_W_[static_cast<std::size_t>(rank.value)];
}

Membership::Member& Membership::member(Rank rank) {
  return const_cast<Member&>(std::as_const(*this).member(rank));
}

bool Membership::is_silent(const Member& member, TimePoint now) const {
  return member.state == MemberState::alive && now - member.heard > silence_;
}

void Membership::check_admission(const RankProcess& process, TimePoint now) const {
  const Member& known = member(process.rank);
  if (process.incarnation == 0) {
    throw Refused(Reason::rank, fmt::format("rank {} registers as incarnation 0, which is nobody",
                                            process.rank.value));
  }
  const auto& replaced = known.replaced;
  if (std::find(replaced.begin(), replaced.end(), process.incarnation) != replaced.end()) {
    throw Refused(Reason::second_owner,
                  fmt::format("rank {}: this process was replaced by pid {} on {}; end it",
                              process.rank.value, known.process_id, known.host));
  }
  const bool is_other = process.incarnation != known.incarnation;
  if (is_other && known.state == MemberState::alive && !is_silent(known, now)) {
    throw Refused(
        Reason::second_owner,
        fmt::format("rank {} is owned by pid {} on {}, which was heard {:.1f} s ago; end that "
                    "process, or wait until it is silent for {:.1f} s",
                    process.rank.value, known.process_id, known.host,
                    seconds_between(known.heard, now), silence_.count()));
  }
}

void Membership::admit(const Registration& registration, TimePoint now) {
  Member& known = member(registration.process.rank);
  if (known.incarnation != registration.process.incarnation) {
    if (known.incarnation != 0) known.replaced.push_back(known.incarnation);
    if (known.replaced.size() > kMaxReplaced) known.replaced.pop_front();
    known.incarnation = registration.process.incarnation;
    ++known.incarnations;
    known.place = {};
    known.is_placed = false;
    known.moved = now;
  }
  known.state = MemberState::alive;
  known.host = one_line(registration.host);
  known.process_id = registration.process_id;
  known.metrics_address = one_line(registration.metrics_address);
  known.heard = now;
  known.farewell.clear();
  known.departure = Departure::done;
}

bool Membership::was_admitted(const RankProcess& process) const {
  return process.incarnation != 0 && member(process.rank).incarnation == process.incarnation;
}

bool Membership::is_owner(const RankProcess& process) const {
  const Member& known = member(process.rank);
  return known.state == MemberState::alive && known.incarnation == process.incarnation;
}

void Membership::require_owner(const RankProcess& process) const {
  const Member& known = member(process.rank);
  if (known.state == MemberState::absent) {
    throw Refused(Reason::rank,
                  fmt::format("rank {} is not registered here; register", process.rank.value));
  }
  if (known.incarnation != process.incarnation) {
    throw Refused(Reason::second_owner,
                  fmt::format("rank {} is owned by pid {} on {}, not by this "
                              "process",
                              process.rank.value, known.process_id, known.host));
  }
  if (known.state == MemberState::left) {
    throw Refused(Reason::rank,
                  fmt::format("rank {} said farewell; register to come back", process.rank.value));
  }
}

void Membership::take_heartbeat(const Heartbeat& heartbeat, TimePoint now) {
  require_owner(heartbeat.process);
  const int rank = heartbeat.process.rank.value;
  if (const auto fault = find_fault(heartbeat.place)) {
    throw Refused(Reason::step, fmt::format("rank {} says where it is, but {}", rank, *fault));
  }
  Member& known = member(heartbeat.process.rank);
  const std::int64_t moved = known.is_placed ? compare(heartbeat.place, known.place) : 1;
  if (moved < 0) {
    throw Refused(Reason::step,
                  fmt::format("rank {} was in {} and says it is in {}; places never go back", rank,
                              in_words(known.place), in_words(heartbeat.place)));
  }
  known.heard = now;
  if (moved == 0 && heartbeat.place == known.place) return;
  known.place = heartbeat.place;
  known.is_placed = true;
  known.moved = now;
}

void Membership::note_life(const RankProcess& process, TimePoint now) {
  member(process.rank).heard = now;
}

void Membership::take_farewell(const Farewell& farewell, TimePoint now) {
  require_owner(farewell.process);
  Member& known = member(farewell.process.rank);
  known.state = MemberState::left;
  known.departure = farewell.departure;
  known.farewell = one_line(farewell.reason);
  known.heard = now;
}

void Membership::forgive(std::chrono::steady_clock::duration deaf, TimePoint now) {
  for (Member& known : members_W_) {
    known.heard = std::min(known.heard + deaf, now);
    known.moved = std::min(known.moved + deaf, now);
  }
}

MemberState Membership::state_at(const Member& known, TimePoint now) const {
  return is_silent(known, now) ? MemberState::silent : known.state;
}

std::vector<MemberView> Membership::view(TimePoint now) const {
  std::vector<MemberView> views;
  for (std::size_t rank = 0; rank < members_W_.size(); ++rank) {
    const Member& known = members_W_[rank];
    const bool is_known = known.state != MemberState::absent;
    views.push_back({.rank = Rank(static_cast<int>(rank)),
                     .state = state_at(known, now),
                     .host = known.host,
                     .process_id = known.process_id,
                     .place = known.place,
                     .seconds_since_heartbeat = is_known ? seconds_between(known.heard, now) : 0.0,
                     .seconds_since_move = is_known ? seconds_between(known.moved, now) : 0.0,
                     .departure = known.departure,
                     .farewell = known.farewell});
  }
  return views;
}

std::vector<MemberStatus> Membership::list(TimePoint now) const {
  std::vector<MemberStatus> list;
  list.reserve(members_W_.size());
  for (const Member& known : members_W_) {
    const bool is_known = known.state != MemberState::absent;
    list.push_back({.rank = Rank(static_cast<int>(list.size())),
                    .state = state_at(known, now),
                    .host = known.host,
                    .process_id = known.process_id,
                    .incarnations = known.incarnations,
                    .place = known.place,
                    .seconds_since_heartbeat = is_known ? seconds_between(known.heard, now) : 0.0,
                    .metrics_address = known.metrics_address});
  }
  return list;
}

}  // namespace softmoe::coordinator
