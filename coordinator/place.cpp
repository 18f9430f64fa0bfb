#include "coordinator/place.h"

#include <fmt/core.h>

#include <algorithm>
#include <vector>

namespace softmoe::coordinator {
namespace {

constexpr std::int64_t kMaxStep = (std::int64_t{1} << 28) - 1;
constexpr int kMaxLayer = (1 << 11) - 1;
constexpr int kMaxPartsInWords = 12;
constexpr std::ptrdiff_t kShortestRun = 4;

bool has_layer(Phase phase) {
  switch (phase) {
    case Phase::norm:
    case Phase::attention:
    case Phase::router:
    case Phase::pack:
    case Phase::counts:
    case Phase::dispatch:
    case Phase::experts:
    case Phase::combine:
    case Phase::feed_forward:
      return true;
    default:
      return false;
  }
}

}  // namespace

std::int64_t compare(const Progress::Place& a, const Progress::Place& b) {
  if (a.step != b.step) return a.step < b.step ? -1 : 1;
  const std::int64_t ahead = (a.operation - b.operation) & (kOperationsPerRound - 1);
  return ahead < kOperationsPerRound / 2 ? ahead : ahead - kOperationsPerRound;
}

std::optional<std::string> find_fault(const Progress::Place& place) {
  if (place.step.value < 0 || place.step.value > kMaxStep) {
    return fmt::format("step {} is not in [0, {}]", place.step.value, kMaxStep);
  }
  if (place.operation < 0 || place.operation >= kOperationsPerRound) {
    return fmt::format("operation {} is not in [0, {})", place.operation, kOperationsPerRound);
  }
  if (place.layer < 0 || place.layer > kMaxLayer) {
    return fmt::format("layer {} is not in [0, {}]", place.layer, kMaxLayer);
  }
  if (static_cast<int>(place.phase) >= kNumPhases) {
    return fmt::format("phase {} is none of {}", static_cast<int>(place.phase), kNumPhases);
  }
  return std::nullopt;
}

std::string in_words(const Progress::Place& place) {
  const std::string layer =
      has_layer(place.phase) ? fmt::format(" of layer {}", place.layer) : std::string();
  return fmt::format("{}{}, operation {} of step {}", name_of(place.phase), layer, place.operation,
                     place.step.value);
}

std::string in_words(std::span<const Rank> ranks) {
  std::vector<Rank> sorted(ranks.begin(), ranks.end());
  std::sort(sorted.begin(), sorted.end());
  std::string text = sorted.size() == 1 ? "rank " : "ranks ";
  int parts = 0;
  for (auto first = sorted.begin(); first != sorted.end();) {
    if (parts == kMaxPartsInWords) {
      return text + fmt::format(" and {} more", sorted.end() - first);
    }
    auto end = first + 1;
    while (end != sorted.end() && end->value == (end - 1)->value + 1) ++end;
    const bool is_run = end - first >= kShortestRun;
    if (!is_run) end = first + 1;
    text += fmt::format("{}{}", parts++ == 0 ? "" : ", ", first->value);
    if (is_run) text += fmt::format(" to {}", (end - 1)->value);
    first = end;
  }
  return text;
}

}  // namespace softmoe::coordinator
