#pragma once

// Where a rank serves its metrics. Letters: W ranks of the world.

#include <string>
#include <vector>

#include "runtime/base/strong.h"

namespace softmoe::launcher {

/// How many of the ranks below this one are on the same host. @param hosts_W  names, by rank
[[nodiscard]] int local_rank(const std::vector<std::string>& hosts_W, Rank rank);

/// Where local rank i of a host listens: at the configured port and i; at any free one if that is
/// 0.
/// @param configured  host:port
/// @throws ConfigError if there is no such port
[[nodiscard]] std::string address_to_listen_at(const std::string& configured, int local_rank);

/// What others are told: the host's name in place of a wildcard.
/// @param bound  host:port; an IPv6 host is in brackets
[[nodiscard]] std::string address_to_tell(const std::string& bound, const std::string& host);

}  // namespace softmoe::launcher
