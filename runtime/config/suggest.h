#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace softmoe::config {

/// The fewest insertions, deletions, replacements and swaps of neighbours that turn one word into
/// the other, no letter touched twice (optimal string alignment).
[[nodiscard]] int edit_distance(std::string_view a, std::string_view b);

/// The candidate nearest to `word`, if it is near enough to be meant: at most a third of its
/// letters, and at least one, are wrong. The first of equals.
[[nodiscard]] std::optional<std::string> nearest(std::string_view word,
                                                 const std::vector<std::string>& candidates);

}  // namespace softmoe::config
