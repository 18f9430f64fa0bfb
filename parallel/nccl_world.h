#pragma once

// Ranks with a GPU each, connected by NCCL, in builds that have it. Without (no_nccl.cpp) there is
// no such world, and it says so.

#include <memory>
#include <string>

#include "parallel/communicator.h"
#include "parallel/id_exchange.h"

namespace softmoe::parallel {

/// "NCCL 2.28.9", the one that this process has loaded, or "no NCCL".
[[nodiscard]] std::string nccl_version();

/// What NCCL may take. An operation of NCCL is a kernel, and its blocks (CTAs) take multiprocessors
/// away from what runs beside it.
struct NcclOptions {
  CommOptions comm;
  /// Most blocks of an operation of the world; 0 leaves it to NCCL. The world sums gradients, which
  /// is not in anybody's way at the end of a step.
  int world_max_ctas = 0;
  /// The same for groups split off: their exchange runs beside the GEMMs of the experts. 16 is an
  /// eighth of the 132 multiprocessors of an H100: derived, not measured.
  int group_max_ctas = 16;
};

/// One rank of a world to be. The references outlive make_nccl_world(), the device the
/// communicator.
struct NcclPlace {
  Rank rank{0};
  int size = 1;
  Device& device;
  IdExchange& ids;
};

/// The world as seen by the rank, over device memory of `place.device`, which no other rank uses.
/// Collective: returns when all have joined. Calls want streams of that device; its memory is all
/// that they carry, so sums on the host want a communicator of the host.
///
/// Nothing waits longer than the timeout. The wait for an operation is the wait for its stream: a
/// thread that watches over the rank's operations ends them when one is late or a peer has failed;
/// the host's wait and all later calls then throw CommError. That thread cannot tell which peer did
/// not come, so messages name all peers of the operation.
///
/// abort() may be called by any thread. Peers on the same node hear of it only when their own
/// timeout has passed. Communicators end in the same order on all ranks: their end meets the ranks
/// of the node.
/// @throws CommError if the world does not come together.
/// @throws InvalidArgument naming the limit that NCCL would not take.
[[nodiscard]] std::unique_ptr<Communicator> make_nccl_world(const NcclPlace& place,
                                                            const NcclOptions& options);

}  // namespace softmoe::parallel
