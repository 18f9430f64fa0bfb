#pragma once

#include <string>
#include <vector>

#include "coordinator/messages.h"
#include "runtime/metrics/targets.h"

namespace softmoe::coordinator {

/// What serves metrics in a run: the coordinator, and every rank that is alive or silent and has
/// said where. A rank that left is not there any more.
/// @param own_address  where the coordinator serves its own; empty: nowhere, or on rank 0's page
[[nodiscard]] std::vector<metrics::Target> targets_of(const Status& status,
                                                      const std::string& own_address);

}  // namespace softmoe::coordinator
