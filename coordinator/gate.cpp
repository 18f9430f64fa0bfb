#include "coordinator/gate.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <utility>

#include "coordinator/refusal.h"

namespace softmoe::coordinator {
namespace {

constexpr std::array kRoles = {Role::rank, Role::observer, Role::admin};

std::string_view token_of(const Shown& shown) {
  if (!shown.authorization || !shown.authorization->starts_with(kBearer)) return {};
  return shown.authorization->substr(kBearer.size());
}

/// The machine of a peer: all its ports are one caller.
std::string host_of(std::string_view peer) {
  return std::string(peer.substr(0, peer.rfind(':')));
}

Rank claimed_rank(const Shown& shown) {
  int rank = -1;
  if (shown.rank) {
    const auto [end, error] =
        std::from_chars(shown.rank->data(), shown.rank->data() + shown.rank->size(), rank);
    if (error != std::errc() || end != shown.rank->data() + shown.rank->size()) rank = -1;
  }
  if (rank < 0) {
    throw Refused(Reason::malformed,
                  fmt::format("the metadata `{}` of a rank's call must hold its rank", kRankKey));
  }
  return Rank{rank};
}

}  // namespace

Gate::Gate(Rules rules) : rules_(std::move(rules)), rate_(rules_.max_calls_per_second) {}

Caller Gate::admit(const MethodRules& method, const Shown& shown, CallRate::TimePoint now) {
  Caller caller = identify(shown);
  if (caller.role && !method.allows(*caller.role)) {
    throw Refused(Reason::role,
                  fmt::format("role {} may not call {}", name_of(*caller.role), name_of(method)));
  }
  if (method.for_rank) {
    if (!caller.rank) caller.rank = claimed_rank(shown);
    caller.name = fmt::format("rank {}", caller.rank->value);
  } else {
    caller.name = fmt::format("{} at {}", caller.role ? name_of(*caller.role) : "somebody",
                              host_of(shown.peer));
  }
  rate_.count(caller.name, now);
  return caller;
}

void Gate::check_speaker(const Caller& caller, Rank rank) {
  if (!caller.rank || *caller.rank == rank) return;
  throw Refused(Reason::role, fmt::format("rank {} calls, and its message is of rank {}",
                                          caller.rank->value, rank.value));
}

Caller Gate::identify(const Shown& shown) const {
  if (!rules_.in_process.empty() && equal_in_constant_time(token_of(shown), rules_.in_process))
    return {};
  switch (rules_.proof) {
    case Proof::certificate:
      return identify_by_certificate(shown);
    case Proof::token:
      return identify_by_token(shown);
    case Proof::none:
      break;
  }
  return {};
}

Caller Gate::identify_by_certificate(const Shown& shown) const {
  std::optional<CertifiedName> found;
  int num_found = 0;
  for (const std::string_view name : shown.certified_names) {
    if (const auto certified = certified_name(name, rules_.run_id)) {
      found = certified;
      ++num_found;
    }
  }
  if (num_found != 1) {
    throw Refused(
        Reason::bad_certificate,
        fmt::format("the certificate has {} names of run '{}', must have one: rank-N.{}, "
                    "observer.{} or admin.{}",
                    num_found, rules_.run_id, rules_.run_id, rules_.run_id, rules_.run_id));
  }
  return {.role = found->role, .rank = found->rank, .name = {}};
}

Caller Gate::identify_by_token(const Shown& shown) const {
  const std::string_view token = token_of(shown);
  for (const Role role : kRoles) {
    const auto& expected = rules_.tokens.of(role);
    if (expected && equal_in_constant_time(token, *expected))
      return {.role = role, .rank = {}, .name = {}};
  }
  throw Refused(Reason::bad_token,
                token.empty()
                    ? "the call shows no token; coordinator.token_file must name a file with the "
                      "tokens of this run"
                    : "the token is none of this run; copy the token file that the coordinator "
                      "wrote when it started");
}

}  // namespace softmoe::coordinator
