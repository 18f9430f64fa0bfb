#pragma once

// `softmoe coordinator`: a coordinator with its journal, its server and its page.

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "coordinator/coordinator.h"
#include "coordinator/journal.h"
#include "coordinator/server.h"
#include "coordinator/telemetry.h"
#include "launcher/run/targets_file.h"
#include "runtime/metrics/metrics_endpoint.h"
#include "runtime/storage/posix_file_system.h"

namespace softmoe::launcher {

/// Serves from its construction to its end, and says in its folder where: `address` and, while it
/// lives, `metrics_address`. Its page answers before the journal is read (/livez), and is ready
/// (/readyz) when ranks are served.
class StandaloneCoordinator {
 public:
  using Say = std::function<void(const std::string& line)>;

  /// @param config  with a folder; outlives this object
  /// @param say     for people; any thread
  /// @throws StorageError if the journal is damaged or another process has it; ConfigError if
  ///         nobody can listen where the configuration says, or secrets are missing
  StandaloneCoordinator(const coordinator::CoordinatorConfig& config, coordinator::RunPlan plan,
                        Say say);
  ~StandaloneCoordinator();
  StandaloneCoordinator(const StandaloneCoordinator&) = delete;
  StandaloneCoordinator& operator=(const StandaloneCoordinator&) = delete;

  /// Whom it serves, and where.
  [[nodiscard]] std::string describe() const;
  /// What people must be told on every start; empty: nothing.
  [[nodiscard]] const std::string& warning() const { return server_->warning(); }
  /// What serves metrics in the run. Any thread.
  [[nodiscard]] std::vector<metrics::Target> targets() const;

  /// Writes the targets down where the configuration wants that and they have changed. To be called
  /// now and then; what goes wrong is said, once.
  void keep_targets();

 private:
  void open_page(const std::string& run_id);

  const coordinator::CoordinatorConfig& config_;
  Say say_;
  int world_ = 0;
  storage::PosixFileSystem files_;
  coordinator::Journal journal_;
  std::optional<coordinator::Coordinator> coordinator_;
  std::optional<coordinator::Server> server_;
  std::atomic<bool> is_ready_ = false;  ///< from then on, what stands above is complete
  std::string metrics_address_;         ///< as others reach it; empty: nobody does
  std::optional<metrics::MetricsEndpoint> page_;
  std::optional<coordinator::Telemetry> telemetry_;
  std::optional<TargetsFile> targets_file_;
  std::string said_;  ///< of the file of targets
};

}  // namespace softmoe::launcher
