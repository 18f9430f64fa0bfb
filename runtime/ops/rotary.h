#pragma once

// Letters: T tokens, D size of one head.

#include "runtime/device/stream.h"
#include "runtime/device/view.h"

namespace softmoe::ops {

enum class RotaryDirection : std::uint8_t { forward, backward };

struct RotaryArguments {
  TensorView
      x;  ///< [T, row] in place; the heads [first_column, first_column + heads * D) of each row
  std::int64_t first_column = 0;
  int heads = 1;
  int head_size = 0;                    ///< D, even
  View<const std::int32_t> position_T;  ///< position of each token in its sequence
  double theta = 10000.0;
  RotaryDirection direction = RotaryDirection::forward;
};

/// Rotary position embedding (Su et al., arXiv 2104.09864, eq. 34) in the half-split layout: the
/// pair (x_i, x_{i + D/2}) turns by position * theta^(-2i/D). `backward` turns the other way, which
/// is the gradient.
/// @throws InvalidArgument if D is odd or the heads leave the row.
using RotaryOp = void(const RotaryArguments& arguments, Stream& stream);
RotaryOp rotary;
namespace reference {
RotaryOp rotary;
}
namespace cpu {
RotaryOp rotary;
}

}  // namespace softmoe::ops
