#pragma once

// Sums of fixed-point numbers: the same integers in whatever order contributions come.

#include <cstdint>

#include "runtime/base/fixed_point.h"
#include "runtime/device/stream.h"
#include "runtime/device/view.h"

namespace softmoe::ops {

struct AddFixedArguments {
  ConstTensorView source;     ///< floating
  View<std::int64_t> target;  ///< as many
  FixedPoint format;
  View<std::int64_t> overflow;  ///< [1], added to: numbers at the limit or beyond, or not finite
};

/// target += round(source * 2^bits), ties to even, without the numbers that `overflow` counts.
/// @throws InvalidArgument if the sizes do not fit. No kernel for GPUs.
using AddFixedOp = void(const AddFixedArguments& arguments, Stream& stream);
AddFixedOp add_fixed;
namespace reference {
AddFixedOp add_fixed;
}
namespace cpu {
AddFixedOp add_fixed;
}

/// target := source * 2^-bits, rounded to f64 and then to the type of `target`.
/// @throws InvalidArgument if the sizes do not fit. No kernel for GPUs.
using FromFixedOp = void(View<const std::int64_t> source, FixedPoint format, TensorView target,
                         Stream& stream);
FromFixedOp from_fixed;
namespace reference {
FromFixedOp from_fixed;
}
namespace cpu {
FromFixedOp from_fixed;
}

}  // namespace softmoe::ops
