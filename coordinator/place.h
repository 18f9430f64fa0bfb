#pragma once

// Places of ranks: which is ahead of which, and what they are called.

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "runtime/base/progress.h"
#include "runtime/base/strong.h"

namespace softmoe::coordinator {

/// Operations of a step count from 0 and start again after so many.
inline constexpr std::int64_t kOperationsPerRound = std::int64_t{1} << 20;

/// Which of two places is ahead. Within a step the shorter way round counts: ranks are never half a
/// round of operations apart.
/// @return below 0 if `a` is behind `b`, above 0 if it is ahead, 0 if they are the same.
[[nodiscard]] std::int64_t compare(const Progress::Place& a, const Progress::Place& b);

/// In words what makes this no place of a rank, or nothing.
[[nodiscard]] std::optional<std::string> find_fault(const Progress::Place& place);

/// "experts of layer 1, operation 5312 of step 40".
[[nodiscard]] std::string in_words(const Progress::Place& place);

/// "rank 2", "ranks 0, 1, 3", "ranks 0 to 7, 9".
/// @param ranks at least one, in any order.
[[nodiscard]] std::string in_words(std::span<const Rank> ranks);

}  // namespace softmoe::coordinator
