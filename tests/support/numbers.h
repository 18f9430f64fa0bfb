#pragma once

// Made-up numbers for tests: the same for the same seed, on every machine.

#include <cstdint>
#include <vector>

#include "runtime/base/philox.h"

namespace softmoe::test {

/// `count` normal numbers times `scale`.
template <class T>
[[nodiscard]] std::vector<T> normal_numbers(std::int64_t count, std::uint64_t seed,
                                            double scale = 1.0) {
  std::vector<T> numbers;
  numbers.reserve(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) {
    const auto words =
        philox({.seed = seed, .purpose = RandomPurpose::test}, static_cast<std::uint64_t>(i));
    numbers.push_back(static_cast<T>(scale * normal_from(words[0], words[1])[0]));
  }
  return numbers;
}

/// `count` integers in [0, below), below > 0.
[[nodiscard]] inline std::vector<std::int32_t> integers(std::int64_t count, std::int32_t below,
                                                        std::uint64_t seed) {
  std::vector<std::int32_t> numbers;
  numbers.reserve(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) {
    const auto words =
        philox({.seed = seed, .purpose = RandomPurpose::test}, static_cast<std::uint64_t>(i));
    numbers.push_back(static_cast<std::int32_t>(words[0] % static_cast<std::uint32_t>(below)));
  }
  return numbers;
}

}  // namespace softmoe::test
