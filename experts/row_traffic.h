#pragma once

// Bytes of the exchange of rows. Letters: H hidden.

#include <cstdint>

#include "runtime/device/view.h"

namespace softmoe::experts {

/// Bytes that one row whose expert is on another rank costs in each of the four exchanges of a
/// step: the row itself, and in dispatch its gate (f32, beside f64 f64) forward and the gate's
/// gradient backward.
struct RowTraffic {
  std::int64_t dispatch_forward = 0;   ///< x and gate, to the expert
  std::int64_t combine_forward = 0;    ///< y, back
  std::int64_t combine_backward = 0;   ///< d_y, to the expert
  std::int64_t dispatch_backward = 0;  ///< d_x and the gate's gradient, back

  /// x and gate once more in backward, where forward kept the plan alone: recomputation, waves.
  std::int64_t dispatch_again = 0;

  /// Without that.
  [[nodiscard]] std::int64_t total() const {
    return dispatch_forward + combine_forward + combine_backward + dispatch_backward;
  }
};

/// 4 H size_of(dtype) + 8 in all for f32 and bf16.
[[nodiscard]] RowTraffic row_traffic(int hidden, DType dtype);

}  // namespace softmoe::experts
