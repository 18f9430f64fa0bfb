#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>

#include "runtime/base/errors.h"

namespace softmoe::bench {

/// Of fp32 sums of some thousand products in another order, which stay a hundred times nearer.
inline constexpr float kFloatTolerance = 1e-4F;

/// How many numbers differ from what they should be by more than `tolerance` of the largest of
/// these. NaN is wrong.
[[nodiscard]] inline std::int64_t wrong_elements(std::span<const float> are,
                                                 std::span<const float> should_be,
                                                 float tolerance = kFloatTolerance) {
  require(are.size() == should_be.size(), "numbers and what they should be are equally many");
  float largest = 0;
  for (const float number : should_be) largest = std::max(largest, std::abs(number));
  std::int64_t wrong = 0;
  for (std::size_t i = 0; i < are.size(); ++i)
    if (!(std::abs(are[i] - should_be[i]) <= tolerance * largest)) ++wrong;
  return wrong;
}

}  // namespace softmoe::bench
