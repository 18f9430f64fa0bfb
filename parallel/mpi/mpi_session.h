#pragma once

// This process as a rank of an MPI job.

#include <memory>

#include "parallel/communicator.h"

namespace softmoe::parallel {

struct MpiWorld;

/// How MPI is used by this process.
struct MpiOptions {
  CommOptions comm;
  /// Larger messages travel in pieces of this size: MPI counts bytes in an int.
  Bytes max_message{std::int64_t{1} << 30};
  /// Neighbouring ranks of one node; 0: as MPI says who shares memory.
  int ranks_per_node = 0;
};

/// Initialises MPI for the life of the object (thread level funneled: only the thread that made it
/// calls MPI). At most one per process.
///
/// Its end waits for the peers and finalises MPI, with a deadline. After a CommError, after
/// abort(), or while an exception passes, it finalises nothing, because a peer that is gone would
/// never answer: the process then leaves by leave() or by returning from main, and the launcher
/// (mpirun, srun --kill-on-bad-exit) ends the other ranks.
class MpiSession {
 public:
  /// @throws CommError naming the call if MPI does not start.
  explicit MpiSession(MpiOptions options = {});
  ~MpiSession();
  MpiSession(const MpiSession&) = delete;
  MpiSession& operator=(const MpiSession&) = delete;

  [[nodiscard]] Rank rank() const;
  [[nodiscard]] int size() const;
  /// The world. The session must outlive every communicator that comes from it.
  [[nodiscard]] std::unique_ptr<Communicator> world();

  /// Ends the process at once with `exit_code`, output flushed, nothing finalised.
  [[noreturn]] static void leave(int exit_code) noexcept;

 private:
  void finish() noexcept;

  int exceptions_at_start_;
  std::shared_ptr<MpiWorld> world_;  // shared with the communicators, which may fail it
};

}  // namespace softmoe::parallel
