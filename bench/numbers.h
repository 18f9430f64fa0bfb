#pragma once

#include <algorithm>
#include <vector>

namespace softmoe::bench {

/// The middle number, or the mean of the two in the middle. @param numbers  at least one
[[nodiscard]] inline double median(std::vector<double> numbers) {
  std::sort(numbers.begin(), numbers.end());
  const std::size_t middle = numbers.size() / 2;
  return numbers.size() % 2 == 1 ? numbers[middle] : (numbers[middle - 1] + numbers[middle]) / 2;
}

/// @param numbers  at least one
[[nodiscard]] inline double least(const std::vector<double>& numbers) {
  return *std::min_element(numbers.begin(), numbers.end());
}

}  // namespace softmoe::bench
