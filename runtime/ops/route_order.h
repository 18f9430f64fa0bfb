#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

namespace softmoe::ops {

/// Whether column `a` of a row of scores comes before column `b`: the larger score first, equal
/// scores by column. NaN counts as minus infinity, so that this is an order whatever the scores.
template <class T>
[[nodiscard]] bool ranks_before(const T* scores, std::int32_t a, std::int32_t b) {
  const auto key = [scores](std::int32_t column) {
    return std::isnan(scores[column]) ? -std::numeric_limits<T>::infinity() : scores[column];
  };
  return key(a) != key(b) ? key(a) > key(b) : a < b;
}

}  // namespace softmoe::ops
