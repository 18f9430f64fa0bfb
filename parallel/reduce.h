#pragma once

// Sums over ranks whose bits do not depend on timing: slices are exchanged, each is summed in rank
// order by its owner, and gathered.

#include <cstdint>
#include <span>

#include "parallel/communicator.h"
#include "runtime/device/arena.h"

namespace softmoe::parallel {

/// data := the sum over ranks, in rank order, on every rank. T is float, double or std::int64_t.
/// The same bits on every rank. @param scratch pieces of the peers; released before return.
template <class T>
void all_reduce_sum(View<T> data, Communicator& communicator, Arena& scratch, Stream& stream);

/// The same for a few numbers of the host; returns when they are there. Not for device streams of
/// an accelerator: `stream` is a stream of the processor.
void all_reduce_sum_on_host(std::span<double> numbers, Communicator& communicator, Stream& stream);
void all_reduce_sum_on_host(std::span<std::int64_t> numbers, Communicator& communicator,
                            Stream& stream);
/// data of `root` on every rank, on the host.
void broadcast_on_host(std::span<std::byte> data, Rank root, Communicator& communicator,
                       Stream& stream);

}  // namespace softmoe::parallel
