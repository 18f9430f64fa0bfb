#include "experts/place_by_load.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "experts/expert_placement.h"
#include "runtime/base/errors.h"

namespace softmoe::experts {

namespace {

struct RankLoad {
  std::int64_t load = 0;
  std::vector<int> experts;
};

std::vector<int> heaviest_first(std::span<const std::int64_t> load_E) {
  std::vector<int> experts(load_E.size());
  std::iota(experts.begin(), experts.end(), 0);
  std::stable_sort(experts.begin(), experts.end(), [&](int x, int y) {
    return load_E[static_cast<std::size_t>(x)] > load_E[static_cast<std::size_t>(y)];
  });
  return experts;
}

}  // namespace

std::vector<int> place_by_load(std::span<const std::int64_t> load_E, int num_ranks) {
  const ExpertPlacement placement(static_cast<int>(load_E.size()), num_ranks);
  const auto negative =
      std::find_if(load_E.begin(), load_E.end(), [](std::int64_t load) { return load < 0; });
  if (negative != load_E.end()) {
    throw InvalidArgument(
        fmt::format("expert {} has a load of {} rows", negative - load_E.begin(), *negative));
  }
  const auto room = static_cast<std::size_t>(placement.experts_per_rank());
  std::vector<RankLoad> ranks(static_cast<std::size_t>(num_ranks));
  for (const int expert : heaviest_first(load_E)) {
    RankLoad* lightest = nullptr;
    for (RankLoad& rank : ranks) {
      if (rank.experts.size() == room) continue;
      if (lightest == nullptr || rank.load < lightest->load) lightest = &rank;
    }
    lightest->load += load_E[static_cast<std::size_t>(expert)];
    lightest->experts.push_back(expert);
  }
  std::vector<int> slot_E(load_E.size());
  int slot = 0;
  for (RankLoad& rank : ranks) {
    std::sort(rank.experts.begin(), rank.experts.end());
    for (const int expert : rank.experts) slot_E[static_cast<std::size_t>(expert)] = slot++;
  }
  return slot_E;
}

}  // namespace softmoe::experts
