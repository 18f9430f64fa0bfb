#pragma once

// A run of four ranks with a coordinator of its own, and a Prometheus that finds it in two ways.

#include <memory>
#include <string>

#include "tests/coordinator/supervised_run.h"
#include "tests/integration/workplace.h"
#include "tests/prometheus/prometheus_server.h"

namespace softmoe::test {

/// The example configuration of dashboards/, but for addresses, places and how often: a second.
[[nodiscard]] std::string example_configuration(const std::string& coordinator_address,
                                                const std::string& targets_folder);

/// Starts all of it, waits until there is something to see, and ends all of it.
class MonitoredRun {
 public:
  static constexpr int kRanks = 4;
  static constexpr const char* kRun = "watched";

  MonitoredRun();

  [[nodiscard]] const PrometheusServer& prometheus() const { return *prometheus_; }
  [[nodiscard]] const Workplace& place() const { return place_; }
  /// Until the run has evaluated, scored its loss, and been read often enough for rates.
  [[nodiscard]] bool wait_for_history() const;
  /// Drains the run. @return how it ended
  [[nodiscard]] Ended drain();
  /// Ends Prometheus. @return how
  [[nodiscard]] Ended end_prometheus() { return prometheus_->end(); }

 private:
  Workplace place_;
  std::unique_ptr<CoordinatorProcess> coordinator_;
  std::unique_ptr<RunningProgram> ranks_;
  std::unique_ptr<PrometheusServer> prometheus_;
};

}  // namespace softmoe::test
