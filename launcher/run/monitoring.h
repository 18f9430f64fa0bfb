#pragma once

// What Prometheus reads of a run, and how it finds it.

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "launcher/run/rank_session.h"
#include "launcher/run/run_config.h"
#include "launcher/run/supervision.h"
#include "launcher/run/targets_file.h"
#include "runtime/metrics/metrics_endpoint.h"
#include "runtime/storage/file_system.h"
#include "training/rank_metrics.h"
#include "training/run_metrics.h"

namespace softmoe::launcher {

/// A rank's page and everything that fills it. Rank 0's /sd lists the pages of all ranks, which are
/// also in a file where the configuration names a folder for it. Without `metrics.listen` there is
/// a registry, and nothing else happens.
///
/// A step never waits here: it stores numbers.
class Monitoring {
 public:
  /// Collective. Listens when it returns; /readyz says 503 until the first step has ended.
  /// @param session  outlives this object
  /// @throws ConfigError on all ranks if one of them cannot listen
  Monitoring(const config::Loaded<RunConfig>& loaded, RankSession& session);
  Monitoring(const Monitoring&) = delete;
  Monitoring& operator=(const Monitoring&) = delete;

  /// Where this rank's page is and, on rank 0, room on it for an embedded coordinator. Nothing if
  /// no page is served.
  [[nodiscard]] SupervisionMetrics for_supervision();

  /// Makes every series.
  /// @param dtype  of the parameters
  /// @param rates  with the number of steps and the measured peak
  void begin(DType dtype, const training::RateContext& rates);
  /// On rank 0: leaves the address where people and Prometheus look for it.
  /// @throws StorageError if it cannot
  void publish(const storage::Path& run_folder);
  /// For people: where the pages are, and what they leave out.
  [[nodiscard]] std::string describe() const;

  /// A step has ended. @param rates  of this step; read on rank 0
  void observe(const training::StepResult& result, const training::RateContext& rates);
  void observe(const training::Evaluation& evaluation);
  void enter(training::RunState state);
  /// No step follows.
  void finish();

 private:
  void listen(RankSession& session, const std::vector<std::string>& hosts_W);
  void gather_targets(RankSession& session, const std::vector<std::string>& hosts_W);
  [[nodiscard]] metrics::Registry& registry() { return endpoint_->registry(); }
  [[nodiscard]] std::vector<metrics::Target> targets() const;
  [[nodiscard]] bool is_served() const { return config_.metrics.is_served(); }

  const config::Loaded<RunConfig>& loaded_;
  const RunConfig& config_;
  RankSession& session_;
  std::string run_id_;
  std::string address_;
  int num_out_of_reach_ = 0;  ///< pages on the loopback of other hosts than rank 0's
  std::atomic<bool> is_ready_ = false;
  mutable std::mutex mutex_;  ///< the listener's thread reads the targets
  std::vector<metrics::Target> targets_;
  std::optional<TargetsFile> targets_file_;
  std::optional<metrics::MetricsEndpoint> endpoint_;  // its handlers read what is above
  std::optional<training::RunMetrics> of_run_;        // on rank 0
  std::optional<training::RankMetrics> of_rank_;
};

}  // namespace softmoe::launcher
