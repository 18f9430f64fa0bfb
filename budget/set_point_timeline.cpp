#include "budget/set_point_timeline.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "runtime/base/errors.h"

namespace softmoe::budget {

SetPointTimeline::SetPointTimeline(SetPoints initial) {
  if (auto fault = find_fault(initial)) throw InvalidArgument(*fault);
  changes_.push_back({Step{0}, std::move(initial)});
}

const SetPoints& SetPointTimeline::at(Step step) const {
  const auto after = std::upper_bound(
      changes_.begin() + 1, changes_.end(), step,
      [](Step wanted, const SetPointChange& change) { return wanted < change.effective_from; });
  return std::prev(after)->set_points;
}

std::optional<Step> SetPointTimeline::add(const SetPointChange& change, Step first_undecided) {
  if (auto fault = find_fault(change.set_points)) throw InvalidArgument(*fault);
  if (change.set_points.revision <= changes_.back().set_points.revision) return std::nullopt;

  const Step effective_from = std::max(change.effective_from, first_undecided);
  const auto is_superseded = [&](const SetPointChange& held) {
    return held.effective_from >= effective_from;
  };
  changes_.erase(std::find_if(changes_.begin() + 1, changes_.end(), is_superseded), changes_.end());
  changes_.push_back({effective_from, change.set_points});
  return effective_from;
}

}  // namespace softmoe::budget
