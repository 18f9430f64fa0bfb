#pragma once

// Everything between a process that has numbers and the Prometheus that reads them.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/metrics/registry.h"
#include "runtime/metrics/targets.h"

namespace softmoe::metrics {

/// A registry, the thread that makes its page, and the listener that serves it:
///   /metrics  the page
///   /livez    200 as long as the process answers
///   /readyz   200 or 503, as Options::is_ready says
///   /sd       the targets as JSON, if Options::targets is given
/// It brings the families softmoe_metrics_series, softmoe_metrics_page_seconds and
/// softmoe_http_requests_total, and those of the process (process_metrics.h). Thread-safe.
///
/// What Options' functions and the registry's refreshes refer to outlives this object: declare it
/// after them.
class MetricsEndpoint {
 public:
  struct Options {
    /// host:port; port 0: a free one. Empty: nobody listens and no page is made; the registry takes
    /// numbers all the same.
    std::string listen = "127.0.0.1:0";
    Labels constant;  ///< labels of every series: {"run", ...}, and {"rank", ...} on a rank's page
    /// Called on the listener's thread, must not wait. Null: always ready.
    std::function<bool()> is_ready;
    /// What /sd lists. Called on the listener's thread, must not wait. Null: there is no /sd.
    std::function<std::vector<Target>()> targets;
  };

  /// Listens when it returns.
  /// @throws ConfigError naming the address and the cure if nobody can listen there
  explicit MetricsEndpoint(Options options);
  /// Closes the listener and ends both threads; waits for a page that is being made.
  ~MetricsEndpoint();
  MetricsEndpoint(const MetricsEndpoint&) = delete;
  MetricsEndpoint& operator=(const MetricsEndpoint&) = delete;

  [[nodiscard]] Registry& registry();
  /// Numbers have changed: a new page is made soon. Never waits.
  void mark_changed();
  /// host:port with the real port; empty if nobody listens.
  [[nodiscard]] std::string address() const;
  /// Whether only this machine can reach it; true if nobody listens.
  [[nodiscard]] bool is_loopback() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace softmoe::metrics
