#pragma once

// What a run can be asked for: checks of set-points that come from outside.

#include <optional>
#include <string>

#include "coordinator/coordinator.h"

namespace softmoe::coordinator {

/// In words what makes the set-points unusable in this run, with the values that work, or nothing:
/// the faults of budget::find_fault, numbers that are not finite, a budget outside the range of
/// the model, lists of another length than L, layer bounds that contradict each other, the model
/// or the budget.
[[nodiscard]] std::optional<std::string> find_fault(const budget::SetPoints& set_points,
                                                    const RunPlan& plan);

/// In words what makes the plan unusable, or nothing.
[[nodiscard]] std::optional<std::string> find_fault(const RunPlan& plan);

/// In words what makes no report of a governor in this run, or nothing.
[[nodiscard]] std::optional<std::string> find_fault(const GovernorReport& report,
                                                    const RunPlan& plan);

/// In words what makes the record unusable for the audit, or nothing: budget::find_fault, fewer
/// rows than the floor gives every token, a state before it that is not finite or not before it.
[[nodiscard]] std::optional<std::string> find_fault(const AuditedRecord& audited,
                                                    const RunPlan& plan);

/// Whether two set-points ask for the same, whatever their revision and term.
[[nodiscard]] bool ask_for_the_same(const budget::SetPoints& a, const budget::SetPoints& b);

}  // namespace softmoe::coordinator
