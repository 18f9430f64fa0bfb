#pragma once

// Who calls, and whether they may: before a message is read.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "coordinator/access.h"
#include "coordinator/call_rate.h"
#include "coordinator/methods.h"

namespace softmoe::coordinator {

/// What a caller showed, before any of it is believed.
struct Shown {
  std::optional<std::string_view> authorization;  ///< metadata
  std::optional<std::string_view> rank;           ///< metadata
  /// Subject alternative names of a certificate that the run's authority signed.
  std::vector<std::string_view> certified_names;
  std::string_view peer;  ///< "ipv4:HOST:PORT" and the like
};

/// A caller that has been let in.
struct Caller {
  std::optional<Role> role;  ///< nothing: nobody has to prove anything here
  /// Of a rank's call: the only one that it may speak as.
  std::optional<Rank> rank;
  std::string name;  ///< for people, and to count its calls by
};

/// Lets callers in. Any thread.
class Gate {
 public:
  /// How callers prove who they are.
  enum class Proof { certificate, token, none };

  struct Rules {
    Proof proof = Proof::none;
    std::string run_id;
    Tokens tokens;           ///< of proof `token`
    std::string in_process;  ///< a token of callers of this process: any role
    double max_calls_per_second = 0.0;
  };

  explicit Gate(Rules rules);

  /// @throws Refused bad_token, bad_certificate, role, malformed (no rank given), too_often
  [[nodiscard]] Caller admit(const MethodRules& method, const Shown& shown,
                             CallRate::TimePoint now);

  /// @throws Refused role, if the caller may not speak as this rank
  static void check_speaker(const Caller& caller, Rank rank);

 private:
  [[nodiscard]] Caller identify(const Shown& shown) const;
  [[nodiscard]] Caller identify_by_certificate(const Shown& shown) const;
  [[nodiscard]] Caller identify_by_token(const Shown& shown) const;

  Rules rules_;
  CallRate rate_;
};

}  // namespace softmoe::coordinator
