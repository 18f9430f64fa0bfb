#pragma once

// One operation on the specification and on the vector kernels with one, two and three workers.

#include <gmock/gmock.h>

#include <vector>

#include "tests/support/near.h"
#include "tests/support/on_device.h"

namespace softmoe::test {

class Everywhere {
 public:
  /// Runs `operation(OnDevice&) -> std::vector<float>` on all of them. The vector kernels must be
  /// near the specification, and one another's equal bit for bit.
  template <class Operation>
  void expect_same(const Operation& operation, const Tolerance& tolerance) {
    const std::vector<float> expected = operation(specification_);
    const std::vector<float> actual = operation(one_);
    EXPECT_TRUE(near(actual, expected, tolerance));
    EXPECT_EQ(operation(two_), actual) << "two workers";
    EXPECT_EQ(operation(three_), actual) << "three workers";
  }

 private:
  OnDevice specification_{Backend::reference};
  OnDevice one_{Backend::cpu, 1};
  OnDevice two_{Backend::cpu, 2};
  OnDevice three_{Backend::cpu, 3};
};

/// The numbers of several tensors, one behind the other.
template <class... Vectors>
[[nodiscard]] std::vector<float> joined(const Vectors&... vectors) {
  std::vector<float> all;
  (all.insert(all.end(), vectors.begin(), vectors.end()), ...);
  return all;
}

/// The same numbers in another storage type.
template <class To, class From>
[[nodiscard]] std::vector<To> as_type(const std::vector<From>& numbers) {
  std::vector<To> converted;
  converted.reserve(numbers.size());
  for (const From number : numbers) converted.push_back(static_cast<To>(number));
  return converted;
}

/// Sizes around a vector, around a block, and with nothing at all.
inline constexpr std::int64_t kOddSizes[] = {0, 1, 3, 15, 16, 17, 64, 65, 255};

}  // namespace softmoe::test
