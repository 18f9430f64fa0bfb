#pragma once

#include <cstdint>

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

  /// Rows [begin, end) of both; a parameter that is not trained has no gradient.
  [[nodiscard]] Parameter rows(std::int64_t begin, std::int64_t end) const {
    Parameter part = *this;
    part.value = value.rows(begin, end);
    if (gradient.data() != nullptr) part.gradient = gradient.rows(begin, end);
    return part;
  }
};

}  // namespace softmoe
