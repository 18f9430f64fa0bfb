#include "tests/gpu_emulation/nccl_clique.h"

#include <fmt/format.h>

#include <algorithm>

#include "tests/gpu_emulation/nccl_transfer.h"

namespace softmoe::gpu_emulation {

std::string describe(const TransferPart& part) {
  switch (part.kind) {
    case TransferPart::Kind::send:
      return fmt::format("a send of {} bytes to rank {}", part.bytes, part.peer);
    case TransferPart::Kind::receive:
      return fmt::format("a receive of {} bytes from rank {}", part.bytes, part.peer);
    case TransferPart::Kind::all_gather:
      return fmt::format("an all-gather of {} bytes", part.bytes);
    case TransferPart::Kind::broadcast:
      return fmt::format("a broadcast of {} bytes from rank {}", part.bytes, part.peer);
  }
  return "an unknown operation";
}

void Clique::connect() {
  if (std::find(ends.begin(), ends.end(), nullptr) != ends.end()) {
    fail(ncclRemoteError, "a rank has aborted before the others came");
    return;
  }
  for (const NcclEnd* one : ends) {
    for (const NcclEnd* other : ends) {
      if (one->rank < other->rank && one->device == other->device) {
        fail(ncclInvalidUsage,
             fmt::format("Duplicate GPU detected : rank {} and rank {} both on CUDA device {}",
                         one->rank, other->rank, one->device));
        return;
      }
    }
  }
  for (NcclEnd* one : ends) one->state = ncclSuccess;
}

void Clique::fail(ncclResult_t state, const std::string& text) {
  // Ranks that have left in peace hear of nothing.
  if (num_finalized == size()) return;
  for (NcclEnd* one : ends) {
    if (one == nullptr || one->aborted) continue;
    // The first error is the one that is told.
    if (one->state != ncclSuccess && one->state != ncclInProgress) continue;
    one->state = state;
    one->last_error = text;
  }
}

TransferPart* Clique::find(const PartKey& key) const {
  const auto found = under_way.find(key);
  return found == under_way.end() ? nullptr : found->second;
}

std::string name_of(const NcclEnd& end) {
  return fmt::format("rank {} of communicator {} ({} ranks)", end.rank, end.clique->number,
                     end.clique->size());
}

std::string doing_of(const Clique& clique, int rank) {
  const NcclEnd* end = clique.end(rank);
  if (end == nullptr) return "which has left";
  if (end->aborted) return "which has aborted";
  if (end->transfers.empty()) return "which has nothing under way in it";
  return "which is in " + end->transfers.front()->contents();
}

}  // namespace softmoe::gpu_emulation
