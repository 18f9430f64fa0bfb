#pragma once

// Everything a rank needs before there is a model. The concrete classes are named here.

#include <memory>
#include <optional>

#include "launcher/run/launch_environment.h"
#include "launcher/run/run_config.h"
#include "parallel/local/local_world.h"
#include "parallel/mpi/mpi_session.h"
#include "parallel/topology.h"
#include "runtime/device/workspace.h"

namespace softmoe::launcher {

/// This process as a rank, with its device, streams and arenas. Alone it needs no MPI.
class RankSession {
 public:
  /// Starts MPI if a launcher started this process, and asserts the number of ranks.
  /// @throws ConfigError with the cure if there are more or fewer; CommError if MPI does not start
  RankSession(const LaunchEnvironment& environment, const RunConfig& config);

  [[nodiscard]] parallel::Groups& groups() { return *groups_; }
  [[nodiscard]] parallel::Communicator& world() { return *world_; }
  [[nodiscard]] Workspace& work() { return work_; }
  [[nodiscard]] Device& device() { return *device_; }
  [[nodiscard]] bool is_root() const { return world_->rank() == Rank(0); }

 private:
  std::optional<parallel::MpiSession> mpi_;
  std::unique_ptr<parallel::Communicator> world_;
  std::optional<parallel::Groups> groups_;
  std::unique_ptr<Device> device_;
  Stream compute_;
  Stream exchange_;
  Stream reduce_;
  Arena saved_;
  Arena scratch_;
  Progress progress_;
  Workspace work_;
};

}  // namespace softmoe::launcher
