#pragma once

#include <cstdint>
#include <string>

namespace softmoe::config {
class Reader;
class Check;
}  // namespace softmoe::config

namespace softmoe::training {

/// How much is told of single experts; each level holds what the ones before it hold. The numbers
/// are those of softmoe_metrics_detail_level.
enum class ExpertDetail : std::uint8_t {
  off = 0,      ///< nothing of loads
  summary = 1,  ///< a few ratios per layer
  buckets = 2,  ///< and a histogram of the experts' loads per layer
  topk = 3,     ///< and the fullest and the emptiest experts of each layer
  full = 4,     ///< and every expert
};

[[nodiscard]] const char* name_of(ExpertDetail detail);

/// Section `metrics`: what Prometheus may read, and where.
struct MetricsConfig {
  /// host:port; empty: no server. A port other than 0 is that of the first rank of a host, the next
  /// one takes port + 1.
  std::string listen = "127.0.0.1:0";
  ExpertDetail expert_detail = ExpertDetail::buckets;
  int top_experts = 4;              ///< experts listed at each end, from level topk on
  std::int64_t max_series = 20000;  ///< of rank 0's page; above it the level falls
  std::int64_t every = 10;          ///< steps between publications of loads
  std::string targets_folder;       ///< of file_sd; empty: no file

  void bind(config::Reader& reader);
  void validate(config::Check& check) const;

  [[nodiscard]] bool is_served() const { return !listen.empty(); }
};

}  // namespace softmoe::training
