#pragma once

// What all communicators of this process share. For files of parallel/mpi only.

#include <mpi.h>

#include <array>
#include <string_view>
#include <vector>

#include "parallel/mpi/mpi_session.h"
#include "parallel/operation_order.h"
#include "parallel/rank_group.h"

namespace softmoe::parallel {

/// State of the process as a member of the job. Notices are short letters in which a rank that
/// gives up tells all others why; ranks that wait look for them.
struct MpiWorld {
  MpiOptions options;
  Rank rank{0};
  int size = 1;
  std::vector<int> node_of_ranks;     ///< a number for each rank's node
  MPI_Comm messages = MPI_COMM_NULL;  ///< the world, for its operations
  MPI_Comm notices = MPI_COMM_NULL;
  bool has_failed = false;
  OperationOrder order;

  /// Marks this process as failed and tells all others, the first time it is called. Waits at most
  /// a fraction of a second for the notices to leave.
  void give_up(std::string_view reason) noexcept;
  /// @throws CommError if a notice has come. This process has then failed too.
  void look_for_notices(const Waiting& waiting);
  /// @throws CommError if this process has failed before.
  void check_alive(const Waiting& waiting) const;

 private:
  std::array<char, 512> reason_{};
};

}  // namespace softmoe::parallel
