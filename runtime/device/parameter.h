#pragma once

#include <cstdint>
#include <span>

#include "runtime/base/fixed_point.h"
#include "runtime/device/view.h"

namespace softmoe {

/// A trained tensor and where its gradient is collected; views into flat buffers. Contributions go
/// through ops::accumulate().
struct Parameter {
  TensorView value;
  TensorView gradient;  ///< of the type of `value`, or i64: exact sums
  // Read where the gradient is i64.
  FixedPoint format = {};
  View<std::int64_t> overflow = {};  ///< [1] counts what did not fit the format
  /// Not 0: what `gradient` holds is of a step before, and the next contribution overwrites it. One
  /// for the whole tensor, or one for each of its outermost rows, which may be collected apart.
  /// Without any, contributions are added. On the host, in the order of calls.
  std::span<std::uint8_t> is_stale = {};

  /// Rows [begin, end) of both; a parameter that is not trained has no gradient.
  [[nodiscard]] Parameter rows(std::int64_t begin, std::int64_t end) const {
    Parameter part = *this;
    part.value = value.rows(begin, end);
    if (gradient.data() != nullptr) part.gradient = gradient.rows(begin, end);
    if (is_stale.size() > 1) {
      part.is_stale =
          is_stale.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
    }
    return part;
  }
};

}  // namespace softmoe
