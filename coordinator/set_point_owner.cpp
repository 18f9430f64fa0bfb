#include "coordinator/set_point_owner.h"

#include <fmt/core.h>

#include <algorithm>

#include "coordinator/run_plan_check.h"

namespace softmoe::coordinator {
namespace {

using budget::SetPointChange;
using budget::SetPoints;

bool changes_something(const ChangeOrder& order) {
  return order.budget || order.mode || order.layer_cost_L || order.layer_min_L ||
         order.layer_max_L || order.temperature;
}

SetPoints merged(SetPoints set_points, const ChangeOrder& order) {
  set_points.budget = order.budget.value_or(set_points.budget);
  set_points.mode = order.mode.value_or(set_points.mode);
  if (order.layer_cost_L) set_points.layer_cost_L = *order.layer_cost_L;
  if (order.layer_min_L) set_points.layer_min_L = *order.layer_min_L;
  if (order.layer_max_L) set_points.layer_max_L = *order.layer_max_L;
  if (order.temperature) set_points.temperature = *order.temperature;
  return set_points;
}

}  // namespace

SetPointOwner::SetPointOwner(const RunPlan& plan)
    : plan_(plan), timeline_(plan.changes.front().set_points) {
  for (const SetPointChange& change : plan.changes) {
    issued_[change.set_points.revision] = change;
    timeline_.add(change, change.effective_from);
  }
  end_recovery();
}

ChangeReply SetPointOwner::draft(const ChangeOrder& order, Step last_record,
                                 std::int64_t term) const {
  if (!changes_something(order)) {
    throw Refused(
        Reason::set_points,
        "the order changes nothing; give a budget, a mode, bounds, costs or a temperature");
  }
  const Step earliest(last_record.value + kStepsAhead);
  if (order.effective_from &&
      (*order.effective_from <= last_record || order.effective_from->value < 0)) {
    throw Refused(Reason::step,
                  fmt::format("step {} has passed, the last record is of step {}; ask for {} or "
                              "later, or for no step",
                              order.effective_from->value, last_record.value, earliest.value));
  }
  ChangeReply reply;
  reply.change.effective_from = std::max(order.effective_from.value_or(earliest), earliest);
  reply.change.set_points = merged(timeline_.changes().back().set_points, order);
  reply.change.set_points.revision = newest_revision() + 1;
  reply.change.set_points.term = term;
  if (const auto fault = find_fault(reply.change.set_points, plan_)) {
    throw Refused(Reason::set_points, *fault);
  }
  for (const SetPointChange& held : timeline_.changes()) {
    const bool is_initial = &held == &timeline_.changes().front();
    if (!is_initial && held.effective_from >= reply.change.effective_from) {
      reply.replaced.push_back(held.set_points.revision);
    }
  }
  reply.before = timeline_.at(reply.change.effective_from);
  return reply;
}

void SetPointOwner::issue(const SetPointChange& change) {
  issued_[change.set_points.revision] = change;
  // A function of what was issued alone: the same before and after a restart.
  timeline_ = budget::SetPointTimeline(issued_.begin()->second.set_points);
  for (const auto& [revision, each] : issued_) timeline_.add(each, each.effective_from);
}

SetPointOwner::Adoption SetPointOwner::compare_with(const std::vector<SetPointChange>& held,
                                                    Step last_record, std::int64_t term) const {
  Adoption adoption;
  const std::int64_t planned = plan_.changes.back().set_points.revision;
  for (const SetPointChange& theirs : held) {
    const std::int64_t revision = theirs.set_points.revision;
    const SetPointChange* const ours = find(revision);
    if (ours != nullptr && ask_for_the_same(ours->set_points, theirs.set_points)) continue;
    if (revision <= planned) {
      throw Refused(Reason::set_points,
                    fmt::format("rank 0 runs under a revision {} with a budget of {} that is not "
                                "the configuration's with {}; start both from one configuration",
                                revision, theirs.set_points.budget,
                                ours == nullptr ? 0.0 : ours->set_points.budget));
    }
    adoption.taken.push_back(theirs);
  }
  adoption.overruled = overruled_by(held, adoption);
  std::int64_t next = std::max(newest_revision(), held.back().set_points.revision);
  const Step earliest(last_record.value + kStepsAhead);
  for (const std::int64_t revision : adoption.overruled) {
    SetPointChange ours = *find(revision);
    ours.effective_from = std::max(ours.effective_from, earliest);
    ours.set_points.revision = ++next;
    ours.set_points.term = term;
    adoption.reissued.push_back(ours);
  }
  return adoption;
}

std::vector<std::int64_t> SetPointOwner::overruled_by(const std::vector<SetPointChange>& held,
                                                      const Adoption& adoption) const {
  std::vector<std::int64_t> overruled;
  if (adoption.taken.empty()) return overruled;
  for (const SetPointChange& ours : timeline_.changes()) {
    const std::int64_t revision = ours.set_points.revision;
    const auto is_it = [&](const SetPointChange& change) {
      return change.set_points.revision == revision;
    };
    const bool is_taken = std::any_of(adoption.taken.begin(), adoption.taken.end(), is_it);
    const bool is_unheard = revision > recovered_revision_ &&
                            revision <= held.back().set_points.revision &&
                            std::none_of(held.begin(), held.end(), is_it);
    if ((is_taken && find(revision) != nullptr) || is_unheard) overruled.push_back(revision);
  }
  return overruled;
}

const SetPointChange* SetPointOwner::find(std::int64_t revision) const {
  const auto found = issued_.find(revision);
  return found == issued_.end() ? nullptr : &found->second;
}

std::vector<const SetPoints*> SetPointOwner::issued_from(std::int64_t revision) const {
  std::vector<const SetPoints*> issued;
  for (auto at = issued_.lower_bound(revision); at != issued_.end(); ++at) {
    issued.push_back(&at->second.set_points);
  }
  return issued;
}

std::vector<SetPointChange> SetPointOwner::newer_than(std::int64_t revision) const {
  std::vector<SetPointChange> newer;
  for (const SetPointChange& change : timeline_.changes()) {
    if (change.set_points.revision > revision) newer.push_back(change);
  }
  return newer;
}

std::vector<SetPointChange> SetPointOwner::planned_after(Step step) const {
  std::vector<SetPointChange> planned;
  for (const SetPointChange& change : timeline_.changes()) {
    const bool is_initial = &change == &timeline_.changes().front();
    if (!is_initial && change.effective_from > step) planned.push_back(change);
  }
  return planned;
}

}  // namespace softmoe::coordinator
