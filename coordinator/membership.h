#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "coordinator/messages.h"
#include "coordinator/verdict.h"

namespace softmoe::coordinator {

/// Who owns which rank, when it was heard last and where it was. Letters: W ranks of the world.
///
/// A process owns its rank until it leaves, or its heartbeats stop and another incarnation takes
/// over. A process that was replaced never comes back.
class Membership {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  Membership(int world, double silence_seconds);

  /// Whether admit() would take the process; changes nothing.
  /// @throws Refused rank, second_owner.
  void check_admission(const RankProcess& process, TimePoint now) const;
  /// Makes the process the owner of its rank; the same one may come again, and its place stays.
  void admit(const Registration& registration, TimePoint now);

  /// Whether the process is the last that was admitted for its rank.
  [[nodiscard]] bool was_admitted(const RankProcess& process) const;
  /// Whether the process has owned its rank last, and has not left.
  [[nodiscard]] bool is_owner(const RankProcess& process) const;
  /// @throws Refused rank (outside the world, never registered, has left), second_owner.
  void require_owner(const RankProcess& process) const;

  /// @throws Refused as require_owner(), step (no place, or one behind the last).
  void take_heartbeat(const Heartbeat& heartbeat, TimePoint now);
  /// Another sign of life of an owner.
  void note_life(const RankProcess& process, TimePoint now);
  void take_farewell(const Farewell& farewell, TimePoint now);

  /// Time in which nobody could be heard counts for nobody.
  void forgive(std::chrono::steady_clock::duration deaf, TimePoint now);

  [[nodiscard]] std::vector<MemberView> view(TimePoint now) const;    ///< [W]
  [[nodiscard]] std::vector<MemberStatus> list(TimePoint now) const;  ///< [W]

 private:
  struct Member {
    MemberState state = MemberState::absent;  ///< silent follows from `heard` and is never stored
    std::uint64_t incarnation = 0;
    std::int64_t incarnations = 0;
    std::string host;
    std::int64_t process_id = 0;
    std::string metrics_address;
    Progress::Place place;
    bool is_placed = false;  ///< by a heartbeat
    TimePoint heard;
    TimePoint moved;
    Departure departure = Departure::done;
    std::string farewell;
    std::deque<std::uint64_t> replaced;  ///< incarnations that owned the rank, the last ones
  };

  [[nodiscard]] const Member& member(Rank rank) const;
  [[nodiscard]] Member& member(Rank rank);
  [[nodiscard]] bool is_silent(const Member& member, TimePoint now) const;
  [[nodiscard]] MemberState state_at(const Member& member, TimePoint now) const;

  std::vector<Member> members_W_;
  std::chrono::duration<double> silence_;
};

}  // namespace softmoe::coordinator
