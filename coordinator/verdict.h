#pragma once

// What holds a run up, judged from what its ranks last said.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "coordinator/messages.h"

namespace softmoe::coordinator {

/// One rank as it is known now.
struct MemberView {
  Rank rank;
  MemberState state = MemberState::absent;
  std::string host;
  std::int64_t process_id = 0;
  Progress::Place place;               ///< as of its last heartbeat
  double seconds_since_heartbeat = 0;  ///< of any sign of life
  double seconds_since_move = 0;       ///< since the place changed, or it registered
  Departure departure = Departure::done;
  std::string farewell;  ///< the reason it gave
};

/// How long nothing may be heard, and nothing may move.
struct Patience {
  double silence_seconds = 0;
  double stall_seconds = 0;
};

enum class VerdictKind : std::uint8_t { none, silent, absent, stalled };

/// Ranks that stand in one place.
struct Standing {
  Progress::Place place;
  std::vector<Rank> ranks;
};

/// Who holds the run up, and who waits where.
struct Verdict {
  VerdictKind kind = VerdictKind::none;
  std::vector<Rank> ranks;        ///< who holds it up; of silent ones the longest first
  std::vector<Standing> waiting;  ///< the others that do not move, in the order of their places
  /// The first place in which others wait and which those ranks have not entered.
  std::optional<Progress::Place> awaited;
  std::string text;  ///< empty for none
};

/// Judges by three rules, in this order:
///  - silent: a rank that has not left gave no sign of life for longer than silence_seconds.
///  - absent: no rank has moved for stall_seconds, and some have never registered.
///  - stalled: the same, and all have registered. Ranks count operations alike, so those in the
///    lowest place are what the others wait for. Ranks that left in failure are among them: nobody
///    else's operation will ever be met by them.
///
/// Nothing holds up a run whose ranks are all idle (they load, or have not begun), and a rank that
/// said farewell is not silent. A long save is a stall only past the limit, like everything else.
[[nodiscard]] Verdict judge(std::span<const MemberView> members, const Patience& patience);

}  // namespace softmoe::coordinator
