#pragma once

// What Prometheus reads of a coordinator. The only file of this folder that names metrics.

#include <functional>
#include <memory>

#include "coordinator/call_counts.h"
#include "coordinator/messages.h"
#include "runtime/metrics/registry.h"

namespace softmoe::coordinator {

class Coordinator;
class Server;

/// Puts the families of a coordinator (docs/metrics.md, Coordinator) into a registry, and looks
/// them up whenever a page of it is made; after this object they stay as they were last.
///
/// Series by rank there are only in a world of at most kMaxRankSeries ranks. A rank's heartbeat has
/// an age from its registration to its farewell: before, there is no series; afterwards it is not a
/// number.
class Telemetry {
 public:
  static constexpr int kMaxRankSeries = 1024;

  /// Where the numbers come from: called by the threads that make pages, one at a time.
  struct Source {
    std::function<Status()> status;
    std::function<AllCallTotals()> calls;
  };

  /// @param registry  its pages may also be made before and after the life of this object
  Telemetry(metrics::Registry& registry, Source source);
  /// @param coordinator, server  outlive this object
  Telemetry(metrics::Registry& registry, const Coordinator& coordinator, const Server& server);
  /// Waits for a page that is being made.
  ~Telemetry();
  Telemetry(const Telemetry&) = delete;
  Telemetry& operator=(const Telemetry&) = delete;

 private:
  struct State;
  std::shared_ptr<State> state_;  ///< the registry's refresh has it too, and may live longer
};

}  // namespace softmoe::coordinator
