#pragma once

#include <algorithm>

#include "runtime/ops/route_scores.h"

namespace softmoe::ops {

/// Adds the noise of one row; `x_C` has `columns` numbers.
template <class T>
void add_noise_to_row(const RouteNoiseArguments& arguments, std::int64_t row, T* x_C,
                      std::int64_t columns) {
  const auto index = static_cast<std::uint64_t>(arguments.first_index + row);
  for (std::int64_t i = 0; i < columns; i += 4) {
    const auto words = philox(arguments.key, index, static_cast<std::uint32_t>(i / 4));
    const auto first = normal_from(words[0], words[1]);
    const auto second = normal_from(words[2], words[3]);
    const std::array<double, 4> normals = {first[0], first[1], second[0], second[1]};
    const std::int64_t count = std::min<std::int64_t>(4, columns - i);
    for (std::int64_t j = 0; j < count; ++j) {
      x_C[i + j] +=
          static_cast<T>(arguments.standard_deviation * normals[static_cast<std::size_t>(j)]);
    }
  }
}

}  // namespace softmoe::ops
