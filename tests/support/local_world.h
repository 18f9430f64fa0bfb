#pragma once

// Ranks as threads: the quick way to test what several ranks do together.

#include <functional>

#include "parallel/communicator.h"
#include "tests/support/on_device.h"

namespace softmoe::test {

/// What one rank does. It runs on a thread of its own, with a device of its own.
using RankFunction = std::function<void(parallel::Communicator&, OnDevice&)>;

/// Runs `function` once per rank of a LocalWorld, waits for what it left on the two streams of its
/// device, and joins. A rank that throws wakes the others by Communicator::abort().
/// @throws what the first rank to throw threw; what the others threw because of it is dropped.
void run_ranks(int num_ranks, const RankFunction& function);
/// The same with another timeout than the default of 20 seconds (stretched under sanitizers).
void run_ranks(int num_ranks, parallel::CommOptions options, const RankFunction& function);

}  // namespace softmoe::test
