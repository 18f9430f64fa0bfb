#pragma once

// What a coordinator writes down, and the text of each entry: one line of JSON.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "budget/controller.h"
#include "budget/set_points.h"
#include "coordinator/messages.h"

namespace softmoe::coordinator {

inline constexpr int kJournalVersion = 1;

/// The first entry: whose journal it is. Version and world are for people: a run goes on under a
/// newer program and on another number of ranks.
struct HeaderEntry {
  int version = kJournalVersion;
  RunIdentity run;
  std::int64_t unix_seconds = 0;
};

/// A coordinator takes this term.
struct TermEntry {
  std::int64_t term = 0;
};

/// A change that was promised, or adopted from rank 0. One with a revision that is known already
/// replaces it.
struct ChangeEntry {
  budget::SetPointChange change;
};

/// A request that was promised.
struct RequestEntry {
  NumberedRequest request;
};

/// A process of rank 0 is told of a request.
struct ToldEntry {
  std::int64_t number = 0;
  std::uint64_t incarnation = 0;
};

/// A request is over: taken, lost with its process, or under a new number.
struct OverEntry {
  std::int64_t number = 0;
};

/// What the audit knew after a record.
struct DigestEntry {
  Step last_record{-1};
  budget::ControllerState state;  ///< after it
  std::int64_t revision = 0;      ///< in force right after it
  AuditStatus audit;
  std::array<std::int64_t, kNumAlarmKinds> alarm_counts{};
};

struct AlarmEntry {
  Alarm alarm;
};

using JournalEntry = std::variant<HeaderEntry, TermEntry, ChangeEntry, RequestEntry, ToldEntry,
                                  OverEntry, DigestEntry, AlarmEntry>;

/// One JSON object without a line break. Finite doubles come back bit for bit.
/// @throws InvalidArgument if a number is not finite or a text is not UTF-8: it would not come
/// back.
[[nodiscard]] std::string encode(const JournalEntry& entry);

/// @throws InvalidArgument, saying what is wrong, if the text is no entry.
[[nodiscard]] JournalEntry decode(std::string_view text);

}  // namespace softmoe::coordinator
