#pragma once

// What Prometheus' service discovery is told, by http_sd (`/sd`) and by files.

#include <span>
#include <string>

namespace softmoe::metrics {

/// One address that serves /metrics.
struct Target {
  std::string address;  ///< host:port
  std::string run;
  std::string role;  ///< "rank" or "coordinator"
  int rank = -1;     ///< -1: not a rank
  std::string host;
};

/// The JSON of http_sd and file_sd: a list of {"targets": [address], "labels": {...}}, labels
/// __meta_softmoe_run, __meta_softmoe_role, __meta_softmoe_rank, __meta_softmoe_host. They are meta
/// labels because the series carry run and rank themselves.
[[nodiscard]] std::string targets_json(std::span<const Target> targets);

}  // namespace softmoe::metrics
