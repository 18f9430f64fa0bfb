#pragma once

// Letters: E experts.

#include <cstdint>
#include <span>
#include <vector>

namespace softmoe::experts {

/// Spreads experts of known loads over ranks that hold equally many: the heaviest first, each to
/// the rank with the least load that has room; of equals the lower expert and the lower rank.
///
/// @param load_E  rows of each expert, 0 or more
/// @return [E] the slot of each expert: slot s lies on rank s / (E / num_ranks). On a rank experts
///         keep their order.
/// @throws InvalidArgument if a load is negative; ConfigError if the ranks do not divide the
/// experts
[[nodiscard]] std::vector<int> place_by_load(std::span<const std::int64_t> load_E, int num_ranks);

}  // namespace softmoe::experts
