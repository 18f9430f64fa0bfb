#pragma once

// Comparisons that may miss a little, each by a named amount with its reason. Where a result is
// exact, compare bit for bit instead.

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string_view>
#include <type_traits>
#include <vector>

#include "runtime/base/dtype.h"

namespace softmoe::test {

/// |actual - expected| <= absolute + relative * |expected|.
struct Tolerance {
  double relative;
  double absolute;
  std::string_view reason;
};

inline constexpr Tolerance kExactValue{
    .relative = 0,
    .absolute = 0,
    .reason = "small integers sum exactly; only the sign of a zero depends on the order"};
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
inline constexpr Tolerance kF32LongSums{
    .relative = 2e-5,
    .absolute = 2e-4,
    .reason = "fp32 sums of up to 5,000 terms of size 1 that cancel, beside the f64 sum"};
inline constexpr Tolerance kBf16Rounding{
    .relative = 4e-3, .absolute = 1e-6, .reason = "bf16 keeps 8 bits: half a unit is 2^-9"};
inline constexpr Tolerance kF32Layer{
    .relative = 5e-5,
    .absolute = 5e-5,
    .reason =
        "two to five fp32 sums of some twenty to hundred terms in a row, each in another order"};
inline constexpr Tolerance kBf16Layer{
    .relative = 2e-2,
    .absolute = 4e-2,
    .reason =
        "bf16 numbers of size 1 rounded at each of some ten stores in a row, where fp32 sums in "
        "another order may fall to either side"};
inline constexpr Tolerance kCentralDifference{
    .relative = 1e-6,
    .absolute = 1e-8,
    .reason = "central differences in f64 with a step of 1e-5: h^2 f''' / 6 and 1e-16 f / h"};

inline constexpr Tolerance kLapsumF32{
    .relative = 0,
    .absolute = 1e-5,
    .reason = "what the certified vectors of LapSum allow a p in fp32"};

/// The same tolerance for sums of `factor` such numbers.
[[nodiscard]] constexpr Tolerance times(const Tolerance& tolerance, double factor) {
  return {.relative = tolerance.relative,
          .absolute = tolerance.absolute * factor,
          .reason = tolerance.reason};
}

/// A gradient of LapSum in fp32: the p of its certified vectors, twice, in units of alpha.
[[nodiscard]] constexpr Tolerance lapsum_gradient(double alpha) {
  return times(kLapsumF32, 2 * std::max(1.0, 1 / alpha));
}

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

/// The bits of a floating number as the integer whose order is the numbers' own.
template <class T>
[[nodiscard]] std::int64_t ordered_bits(T number) {
  using Signed = std::conditional_t<sizeof(T) == 2, std::int16_t, std::int32_t>;
  const auto bits = std::int64_t{std::bit_cast<Signed>(number)};
  return bits < 0 ? std::int64_t{std::numeric_limits<Signed>::min()} - bits : bits;
}

/// How many numbers of their type lie between two, the second included; +0 and -0 are one number,
/// and a NaN is far from everything.
template <class T>
[[nodiscard]] std::int64_t ulps_between(T a, T b) {
  if (std::isnan(static_cast<float>(a)) || std::isnan(static_cast<float>(b))) {
    return std::numeric_limits<std::int64_t>::max();
  }
  return std::abs(ordered_bits(a) - ordered_bits(b));
}

/// At most `ulps` numbers of the storage type apart, or at most `absolute` where the result is what
/// larger terms left over.
struct UlpBound {
  std::int64_t ulps;
  double absolute;
  std::string_view reason;
};

inline constexpr UlpBound kRoundedOnce{
    .ulps = 1,
    .absolute = 2e-6,
    .reason =
        "f32 beside the f64 of the specification, rounded once: next to the middle of two "
        "numbers it may fall to the other side"};

/// Whether all elements are within the bound. The message names the first that is not.
template <class T>
[[nodiscard]] testing::AssertionResult within(const std::vector<T>& actual,
                                              const std::vector<T>& expected,
                                              const UlpBound& bound) {
  if (actual.size() != expected.size()) {
    return testing::AssertionFailure()
           << "got " << actual.size() << " elements, expected " << expected.size();
  }
  for (std::size_t i = 0; i < actual.size(); ++i) {
    const auto is = static_cast<float>(actual[i]);
    const auto should_be = static_cast<float>(expected[i]);
    const std::int64_t apart = ulps_between(actual[i], expected[i]);
    if (apart > bound.ulps && !(std::abs(double{is} - double{should_be}) <= bound.absolute)) {
      return testing::AssertionFailure()
             << "element " << i << " is " << is << ", expected " << should_be << ", " << apart
             << " ulps apart, allowed " << bound.ulps << ": " << bound.reason;
    }
  }
  return testing::AssertionSuccess();
}

/// Whether all elements have equal bits; then NaNs are equal, and +0 is not -0.
template <class T>
[[nodiscard]] testing::AssertionResult same_bits(const std::vector<T>& actual,
                                                 const std::vector<T>& expected) {
  if (actual.size() != expected.size()) {
    return testing::AssertionFailure()
           << "got " << actual.size() << " elements, expected " << expected.size();
  }
  for (std::size_t i = 0; i < actual.size(); ++i) {
    if (std::memcmp(&actual[i], &expected[i], sizeof(T)) != 0) {
      return testing::AssertionFailure()
             << "element " << i << " is " << static_cast<double>(actual[i]) << ", expected "
             << static_cast<double>(expected[i]) << " bit for bit";
    }
  }
  return testing::AssertionSuccess();
}

}  // namespace softmoe::test
