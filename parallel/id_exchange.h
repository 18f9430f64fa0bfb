#pragma once

// How the ranks of a world come to know the one id that they join under. A library that connects
// ranks by itself (NCCL) makes the id on rank 0 and leaves the rest to its user.

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "parallel/communicator.h"
#include "runtime/storage/file_system.h"

namespace softmoe::parallel {

/// Used once: share(), then finish(), by every rank.
class IdExchange {
 public:
  virtual ~IdExchange() = default;

  /// `id` of rank 0 on every rank: read on rank 0, written elsewhere.
  /// @throws CommError naming place and cure if it does not arrive in time.
  virtual void share(std::span<std::byte> id, Rank rank) = 0;
  /// Every rank has joined: nobody will ask for the id again.
  virtual void finish(Rank rank) = 0;
};

/// By a communicator of the host over the same ranks, such as the MPI world. It outlives the
/// result.
[[nodiscard]] std::unique_ptr<IdExchange> exchange_id_over(Communicator& host_world);

/// A file that all ranks see, for worlds that nothing else connects.
struct IdFile {
  storage::Path path;
  /// Names this start of this run, equal on all its ranks and never used before: the job's number
  /// with the number of its restart, say.
  std::string run;
  std::chrono::milliseconds timeout{std::chrono::minutes(5)};
};

/// By a shared file. Rank 0 writes it, complete or not at all, and removes it when all have joined;
/// the others look until it is there. A file of another run is never taken for ours: rank 0 writes
/// over it, the others wait for that. @param files outlives the result.
///
/// share() throws CommError: on rank 0 if a file of this run stands there already, which is the
/// remnant of an earlier start; elsewhere if no file of this run appears in time.
[[nodiscard]] std::unique_ptr<IdExchange> exchange_id_by_file(storage::FileSystem& files,
                                                              IdFile place);

}  // namespace softmoe::parallel
