#include "training/governor.h"

#include "runtime/base/errors.h"

namespace softmoe::training {

namespace {

const budget::SetPoints& first_of(std::span<const budget::SetPointChange> planned) {
  require(!planned.empty() && planned.front().effective_from == Step(0),
          "the planned set-points begin at step 0");
  return planned.front().set_points;
}

}  // namespace

Governor::Governor(budget::SetPoints set_points, budget::BudgetLink& link)
    : Governor(set_points, budget::initial_state(set_points), link) {}

Governor::Governor(budget::SetPoints set_points, const budget::ControllerState& state,
                   budget::BudgetLink& link)
    : timeline_(std::move(set_points)), link_(&link), state_(state) {}

Governor::Governor(std::span<const budget::SetPointChange> planned, budget::BudgetLink& link)
    : Governor(planned, budget::initial_state(first_of(planned)), link) {}

Governor::Governor(std::span<const budget::SetPointChange> planned,
                   const budget::ControllerState& state, budget::BudgetLink& link)
    : Governor(first_of(planned), state, link) {
  for (const budget::SetPointChange& change : planned.subspan(1)) {
    timeline_.add(change, /*first_undecided=*/Step(0));
  }
}

budget::ControlWord Governor::word_for(Step step, std::uint32_t requests) {
  const budget::LinkNews news = link_->poll();
  // The word of this step may be decided already: then a change starts with the one after it.
  const Step first_undecided(decided_ && decided_->step == step ? step.value + 1 : step.value);
  for (const budget::SetPointChange& change : news.changes) timeline_.add(change, first_undecided);
  budget::ControlWord word = decided_ && decided_->step == step
                                 ? *decided_
                                 : budget::word_for(step, state_, timeline_.at(step));
  word.requests |= requests | news.requests;
  return word;
}

std::optional<std::string> Governor::observe(const budget::StepRecord& record) {
  link_->submit({.record = record, .before = state_, .timeline = timeline_});
  const Step next(record.step().value + 1);
  budget::Decision decision = budget::decide(state_, record, timeline_.at(next));
  state_ = decision.state;
  decided_ = decision.word;
  return std::move(decision.refused);
}

}  // namespace softmoe::training
