#pragma once

// A rank's tie to its coordinator, wherever the configuration puts that one.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "budget/budget_link.h"
#include "coordinator/coordinator.h"
#include "coordinator/rank_line.h"
#include "coordinator/server.h"
#include "coordinator/telemetry.h"
#include "launcher/run/rank_session.h"
#include "runtime/storage/file_system.h"

namespace softmoe::launcher {

/// What a rank that serves metrics tells of them.
struct SupervisionMetrics {
  std::string address = {};  ///< host:port of this rank's page, as others reach it; empty: none
  /// On rank 0, takes the families of an embedded coordinator, of which they tell until the
  /// Supervision ends. It may be gone before or stay after.
  metrics::Registry* registry = nullptr;
};

/// Embedded: rank 0 makes the coordinator and serves it; its own line needs no network, the others
/// come over `coordinator.listen`. Standalone: every rank has a line to the process that the
/// coordinator's folder, or `coordinator.address`, names. Off: there is none.
///
/// Nothing here changes a step: training goes on alike without a coordinator.
class Supervision {
 public:
  using Say = std::function<void(const std::string& line)>;

  /// Collective.
  /// @param session  outlives this object
  /// @param say      for people; called on rank 0, from any thread
  /// @throws ConfigError on all ranks if the coordinator cannot be served or its secrets are
  /// missing
  Supervision(const config::Loaded<RunConfig>& loaded, RankSession& session, Say say,
              SupervisionMetrics metrics = {});

  /// Rank 0's line to the owner of the set-points.
  [[nodiscard]] budget::BudgetLink& link() { return *link_; }

  /// Embedded, on rank 0: puts address and tokens where `softmoe ctl RUN` finds them.
  void publish(const storage::Path& run_folder);

  /// Where the coordinator is, and what people must be told about it.
  [[nodiscard]] std::string describe() const;

  /// Says goodbye, and waits a moment for what is still to be sent.
  void farewell(coordinator::Departure departure, const std::string& reason);

 private:
  void start_embedded(const config::Loaded<RunConfig>& loaded, RankSession& session);
  void connect(coordinator::Endpoint endpoint, const config::Loaded<RunConfig>& loaded,
               RankSession& session);

  /// What the embedded coordinator says once the run has begun; who registers is no news before.
  void pass_on(const std::string& line) const;

  Say say_;
  SupervisionMetrics metrics_;
  std::atomic<bool> has_begun_ = false;
  std::int64_t num_cut_off_ = 0;  ///< ranks that cannot reach the embedded coordinator
  coordinator::CoordinatorConfig config_;
  std::optional<coordinator::Coordinator> coordinator_;
  std::optional<coordinator::Tokens> tokens_;
  std::optional<coordinator::Server> server_;
  std::optional<coordinator::Telemetry> telemetry_;
  std::unique_ptr<coordinator::RankLine> line_;
  std::unique_ptr<budget::BudgetLink> nobody_;
  budget::BudgetLink* link_ = nullptr;
};

}  // namespace softmoe::launcher
