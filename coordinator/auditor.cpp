#include "coordinator/auditor.h"

#include <fmt/core.h>

#include <algorithm>
#include <bit>
#include <utility>

namespace softmoe::coordinator {
namespace {

using budget::ControllerState;
using budget::ControlWord;
using budget::SetPoints;

bool is_same(double a, double b) {
  return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}

std::string not_the_same(const char* what, double decided, double found) {
  return fmt::format("{} is {}, and the audit decides {}", what, found, decided);
}

/// What differs first between the word decided here and the one that was in force, or nothing.
std::optional<std::string> difference(const ControlWord& decided, const ControlWord& found) {
  if (!is_same(decided.lambda, found.lambda)) {
    return not_the_same("lambda", decided.lambda, found.lambda);
  }
  if (!is_same(decided.alpha, found.alpha)) {
    return not_the_same("alpha", decided.alpha, found.alpha);
  }
  if (!is_same(decided.budget, found.budget)) {
    return not_the_same("the budget", decided.budget, found.budget);
  }
  if (decided.mode != found.mode) {
    return fmt::format("the mode is {}, and the audit decides {}", name_of(found.mode),
                       name_of(decided.mode));
  }
  if (decided.term != found.term) {
    return fmt::format("the term is {}, and revision {} was issued in term {}", found.term,
                       decided.revision, decided.term);
  }
  return std::nullopt;
}

bool is_same(const ControllerState& a, const ControllerState& b) {
  return is_same(a.lambda, b.lambda) && is_same(a.alpha, b.alpha) && is_same(a.debt, b.debt) &&
         is_same(a.gain, b.gain) && a.last_record == b.last_record;
}

std::string difference(const ControllerState& decided, const ControllerState& found) {
  return fmt::format(
      "rank 0 held lambda {}, alpha {}, debt {}, gain {} after step {}, and the audit decides {}, "
      "{}, {}, {} after step {}",
      found.lambda, found.alpha, found.debt, found.gain, found.last_record.value, decided.lambda,
      decided.alpha, decided.debt, decided.gain, decided.last_record.value);
}

}  // namespace

void Auditor::resume(Step last_record, const ControllerState& state, std::int64_t revision) {
  last_record_ = last_record;
  last_.reset();
  held_ = Held{Step(last_record.value + 1), state};
  remembered_ = {*held_};
  last_revision_ = revision;
}

void Auditor::restart(Step next_step) {
  is_restarted_ = true;
  if (next_step > last_record_) return;
  last_record_ = Step(next_step.value - 1);
  last_.reset();
  held_.reset();
  while (!remembered_.empty() && remembered_.back().before > next_step) remembered_.pop_back();
  if (!remembered_.empty() && remembered_.back().before == next_step) held_ = remembered_.back();
}

std::optional<std::string> Auditor::fault_of_revision(const ControlWord& word) const {
  const budget::SetPointChange* const change = owner_.find(word.revision);
  if (change == nullptr) {
    return fmt::format("it ran under revision {}, which was never issued; the newest is {}",
                       word.revision, owner_.newest_revision());
  }
  if (word.step < change->effective_from) {
    return fmt::format("it ran under revision {}, which begins at step {}", word.revision,
                       change->effective_from.value);
  }
  if (word.revision < last_revision_ && !is_restarted_) {
    return fmt::format("it ran under revision {}, and the step before it under {}", word.revision,
                       last_revision_);
  }
  return std::nullopt;
}

std::vector<ControllerState> Auditor::states_before(const budget::StepRecord& record,
                                                    const SetPoints& set_points) const {
  if (!last_) {
    if (held_ && held_->before == record.step()) return {held_->state};
    if (record.step() != Step{0}) return {};
    return {budget::initial_state(owner_.timeline().changes().front().set_points)};
  }
  std::vector<ControllerState> states = {
      budget::decide(last_->before, last_->record, set_points).state};
  if (is_restarted_) {
    // The old process decided before it saved, under set-points that it held by then; those that
    // came later moved the word alone.
    for (const budget::SetPoints* held : owner_.issued_from(last_revision_)) {
      states.push_back(budget::decide(last_->before, last_->record, *held).state);
    }
  }
  return states;
}

std::optional<std::string> Auditor::fault_of(const AuditedRecord& audited) {
  const ControlWord& word = audited.record.in_force;
  if (auto fault = fault_of_revision(word)) return fault;
  const SetPoints& set_points = owner_.find(word.revision)->set_points;
  std::vector<ControllerState> states = states_before(audited.record, set_points);
  const bool is_held = std::any_of(states.begin(), states.end(), [&](const ControllerState& state) {
    return is_same(state, audited.before);
  });
  // A checkpoint of a process that was never heard here may hold a state that nobody can derive.
  is_unknown_start_ = is_restarted_ && !states.empty() && !is_held;
  if (is_unknown_start_) states.clear();
  if (!states.empty() && !is_held) {
    const ControlWord decided = budget::word_for(word.step, states.front(), set_points);
    if (auto differs = difference(decided, word)) return differs;
    return difference(states.front(), audited.before);
  }
  // A word follows from the state before its step even where nothing is known of that state.
  if (auto differs = difference(budget::word_for(word.step, audited.before, set_points), word)) {
    return differs;
  }
  if (states.empty()) {
    status_.unaudited += word.step.value - last_record_.value;
  } else {
    ++status_.agreed;
  }
  return std::nullopt;
}

std::optional<Finding> Auditor::find_late_change(const ControlWord& word) {
  if (owner_.find(word.revision) == nullptr) return std::nullopt;
  const SetPoints& planned = owner_.timeline().at(word.step);
  if (word.revision >= planned.revision || planned.revision <= late_revision_) return std::nullopt;
  late_revision_ = planned.revision;
  return Finding{AlarmKind::late_change, word.step,
                 fmt::format("step {} still runs under revision {}; revision {} was planned for "
                             "step {}",
                             word.step.value, word.revision, planned.revision,
                             owner_.find(planned.revision)->effective_from.value)};
}

std::vector<Finding> Auditor::observe(const AuditedRecord& audited) {
  const ControlWord& word = audited.record.in_force;
  std::vector<Finding> findings;
  if (word.step.value > last_record_.value + 1) {
    findings.push_back({AlarmKind::unaudited, word.step,
                        fmt::format("no records of steps {} to {}; the audit goes on behind them",
                                    last_record_.value + 1, word.step.value - 1)});
    last_.reset();
    held_.reset();
  }
  if (auto fault = fault_of(audited)) {
    ++status_.disagreed;
    findings.push_back(
        {AlarmKind::disagreement, word.step, fmt::format("step {}: {}", word.step.value, *fault)});
  }
  if (std::exchange(is_unknown_start_, false)) {
    findings.push_back({AlarmKind::unaudited, word.step,
                        fmt::format("rank 0 began again at step {} from a state that no record led "
                                    "to; the audit goes on from it",
                                    word.step.value)});
  }
  if (auto late = find_late_change(word)) findings.push_back(*std::move(late));

  remembered_.push_back({word.step, audited.before});
  if (remembered_.size() > kRemembered) remembered_.pop_front();
  last_record_ = word.step;
  last_revision_ = word.revision;
  last_ = audited;
  held_.reset();
  is_restarted_ = false;
  return findings;
}

}  // namespace softmoe::coordinator
