#pragma once

// Comparisons that may miss a little, each by a named amount with its reason. Where a result is
// exact, compare bit for bit instead.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string_view>
#include <vector>

namespace softmoe::test {

/// |actual - expected| <= absolute + relative * |expected|.
struct Tolerance {
  double relative;
  double absolute;
  std::string_view reason;
};

inline constexpr Tolerance kF64Rounding{
    .relative = 1e-12,
    .absolute = 1e-13,
    .reason = "the same formula in f64, its sums in another order or its hand-checked digits"};
inline constexpr Tolerance kF32Rounding{
    .relative = 1e-6,
    .absolute = 1e-6,
    .reason = "a few fp32 operations of 6e-8 each, and a vector exp of 1e-7"};
inline constexpr Tolerance kF32Sums{
    .relative = 2e-5,
    .absolute = 2e-5,
    .reason = "fp32 sums of some hundred terms of size 1, in another order than the f64 sum"};
inline constexpr Tolerance kBf16Rounding{
    .relative = 4e-3, .absolute = 1e-6, .reason = "bf16 keeps 8 bits: half a unit is 2^-9"};
inline constexpr Tolerance kCentralDifference{
    .relative = 1e-6,
    .absolute = 1e-8,
    .reason = "central differences in f64 with a step of 1e-5: h^2 f''' / 6 and 1e-16 f / h"};

/// Whether all elements are near; a NaN is near nothing. The message names the first that is not.
template <class Actual, class Expected>
[[nodiscard]] testing::AssertionResult near(const std::vector<Actual>& actual,
                                            const std::vector<Expected>& expected,
                                            const Tolerance& tolerance) {
  if (actual.size() != expected.size()) {
    return testing::AssertionFailure()
           << "got " << actual.size() << " elements, expected " << expected.size();
  }
  for (std::size_t i = 0; i < actual.size(); ++i) {
    const auto is = static_cast<double>(actual[i]);
    const auto should_be = static_cast<double>(expected[i]);
    const double limit = tolerance.absolute + tolerance.relative * std::abs(should_be);
    if (!(std::abs(is - should_be) <= limit)) {
      return testing::AssertionFailure()
             << "element " << i << " is " << is << ", expected " << should_be << ", off by "
             << is - should_be << ", allowed " << limit << ": " << tolerance.reason;
    }
  }
  return testing::AssertionSuccess();
}

}  // namespace softmoe::test
