#pragma once

// Ranks with a GPU each, as threads: emulated GPUs, or those of the machine.

#include "parallel/nccl_world.h"
#include "tests/support/local_world.h"

namespace softmoe::test {

/// Runs `function` once per rank of a world over NCCL, each on a thread and a GPU of its own, waits
/// for what it left on the two streams of its device, and joins. A rank that throws aborts.
/// @throws what the first rank to throw threw, a CommError only if nobody threw anything else; what
/// the others threw because of it is dropped.
void run_nccl_ranks(int num_ranks, const RankFunction& function);
/// The same with other options than a timeout of 20 seconds (stretched under sanitizers).
void run_nccl_ranks(int num_ranks, const parallel::NcclOptions& options,
                    const RankFunction& function);

/// Whether there is a GPU for each of so many ranks.
[[nodiscard]] bool has_gpus_for(int num_ranks);

}  // namespace softmoe::test
