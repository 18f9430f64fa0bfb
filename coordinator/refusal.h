#pragma once

// What the coordinator says no to. Each reason has a counter, a status on the wire and, at a
// bounded rate, a line in the log.

#include <array>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace softmoe::coordinator {

/// Why a call was refused. Values count and travel: append, never renumber.
enum class Reason : std::uint8_t {
  bad_token,         ///< no token, or one that is not of this run
  bad_certificate,   ///< a certificate whose name gives no role in this run
  role,              ///< the role may not make this call
  malformed,         ///< bytes that are no such message
  too_large,         ///< above the size that this run can need
  too_often,         ///< above the rate of one caller
  run,               ///< another run id
  version,           ///< another version of program or protocol
  configuration,     ///< another configuration or world size
  term,              ///< another term than this coordinator's
  rank,              ///< outside the world, or not registered
  second_owner,      ///< the rank has a live owner, and this is not it
  step,              ///< steps that go back or jump
  record,            ///< counts that are negative, not finite, of the wrong length or sum
  set_points,        ///< a set-point that this run cannot hold
  not_in_this_mode,  ///< what is asked for does not exist here
  journal,           ///< what would have to be kept cannot be written down
};
inline constexpr int kNumReasons = 17;

[[nodiscard]] constexpr std::string_view name_of(Reason reason) {
  constexpr std::array<std::string_view, kNumReasons> names = {"bad_token",     "bad_certificate",
                                                               "role",          "malformed",
                                                               "too_large",     "too_often",
                                                               "run",           "version",
                                                               "configuration", "term",
                                                               "rank",          "second_owner",
                                                               "step",          "record",
                                                               "set_points",    "not_in_this_mode",
                                                               "journal"};
  return names[static_cast<std::size_t>(reason)];
}

/// A call that was refused; nothing changed. The message is for whoever made it: it names both
/// values where two differ, and the cure.
class Refused : public std::runtime_error {
 public:
  Refused(Reason reason, const std::string& message)
      : std::runtime_error(message), reason_(reason) {}

  [[nodiscard]] Reason reason() const noexcept { return reason_; }

 private:
  Reason reason_;
};

}  // namespace softmoe::coordinator
