#pragma once

// What a coordinator has to know of a run, out of the run's configuration: ranks and coordinator
// read the same file, each for itself, and compare what they made of it.

#include "coordinator/coordinator.h"
#include "launcher/run/run_config.h"

namespace softmoe::launcher {

/// The run's id is run.id or, where that is empty, the configuration's hash. The hash is over every
/// value that defines the training: not over where it runs, where its files are, or who watches.
[[nodiscard]] coordinator::RunIdentity identity_of(const config::Loaded<RunConfig>& loaded,
                                                   int world);

[[nodiscard]] coordinator::RunPlan plan_of(const config::Loaded<RunConfig>& loaded, int world);

}  // namespace softmoe::launcher
