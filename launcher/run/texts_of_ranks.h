#pragma once

#include <string>
#include <vector>

#include "launcher/run/rank_session.h"

namespace softmoe::launcher {

/// What every rank says, by rank, on every rank. Collective.
[[nodiscard]] std::vector<std::string> texts_of_ranks(const std::string& mine,
                                                      RankSession& session);

/// The name of this host; empty if it has none.
[[nodiscard]] std::string host_name();

}  // namespace softmoe::launcher
