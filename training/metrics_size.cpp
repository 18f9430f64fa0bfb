#include "training/metrics_size.h"

#include <fmt/format.h>

#include <algorithm>

namespace softmoe::training {

namespace {

/// Of the run as a whole, of rank 0 as any rank, and of a layer's routing at every level.
constexpr std::int64_t kOfRun = 62;
constexpr std::int64_t kOfRank = 40;
constexpr std::int64_t kOfLayer = 18;
/// More of every layer from a level on.
constexpr std::int64_t kSummary = 6;
constexpr std::int64_t kBuckets = 16;
constexpr std::int64_t kEnds = 4;  // hot and cold, load and index

ExpertDetail below(ExpertDetail detail) {
  return static_cast<ExpertDetail>(static_cast<int>(detail) - 1);
}

}  // namespace

std::int64_t predicted_series(const MetricsShape& shape, ExpertDetail detail) {
  std::int64_t of_layer = kOfLayer;
  if (detail >= ExpertDetail::summary) of_layer += kSummary;
  if (detail >= ExpertDetail::buckets) of_layer += kBuckets;
  if (detail >= ExpertDetail::topk) of_layer += kEnds * std::min(shape.top_experts, shape.experts);
  if (detail >= ExpertDetail::full) of_layer += shape.experts;
  return kOfRun + predicted_rank_series() + shape.layers * of_layer;
}

std::int64_t predicted_rank_series() {
  return kOfRank;
}

ExpertDetail affordable_detail(const MetricsShape& shape, ExpertDetail wanted,
                               std::int64_t max_series) {
  ExpertDetail detail = wanted;
  while (detail > ExpertDetail::off && predicted_series(shape, detail) > max_series) {
    detail = below(detail);
  }
  return detail;
}

std::string explain_detail(const MetricsShape& shape, const MetricsConfig& config) {
  const ExpertDetail wanted = config.expert_detail;
  const ExpertDetail detail = affordable_detail(shape, wanted, config.max_series);
  if (detail == wanted) return "";
  return fmt::format(
      "level {} would be {} series, above metrics.max_series = {}; served at level {} ({} series)",
      name_of(wanted), predicted_series(shape, wanted), config.max_series, name_of(detail),
      predicted_series(shape, detail));
}

std::string padded(int index, int count) {
  const std::size_t width = std::to_string(std::max(count - 1, 0)).size();
  return fmt::format("{:0{}}", index, width);
}

}  // namespace softmoe::training
