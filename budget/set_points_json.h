#pragma once

// Set-points as JSON text, for what outlives a process: a run's log, a coordinator's journal.

#include <string>
#include <string_view>

#include "budget/set_points.h"

namespace softmoe::budget {

/// One object on one line; numbers read back as the same bits, equal set-points give equal text.
/// @throws InvalidArgument if a number is not finite: JSON has no word for it.
[[nodiscard]] std::string json_of(const SetPoints& set_points);

/// @throws InvalidArgument saying what is wrong if the text is no such object. Whether a run can
///         hold the set-points is find_fault()'s.
[[nodiscard]] SetPoints set_points_from_json(std::string_view text);

/// The mode of a name.
/// @throws InvalidArgument if it is none.
[[nodiscard]] Mode mode_of(std::string_view name);

}  // namespace softmoe::budget
