#pragma once

#include <functional>

#include "parallel/communicator.h"
#include "runtime/device/workspace.h"

namespace softmoe::bench {

/// What one rank does.
using RankWork = std::function<void(parallel::Communicator& ranks, Workspace& work)>;

/// Runs it once per rank, each a thread of this process with a device of its own.
/// @param threads  of each rank
/// @throws what the first rank to fail threw; the others are woken by Communicator::abort()
void run_local_ranks(int num_ranks, int threads, const RankWork& work);

}  // namespace softmoe::bench
