#pragma once

// Sums of f64 numbers that do not depend on the order. Letters: N sums.
//
// A sum is five integers: four limbs of 32 bits, worth 2^-64, 2^-32, 1 and 2^32, each with room for
// 2^31 carries, and the number of terms that it could not take. Equal sets of terms make equal sums
// however they are spread over threads, lanes and ranks, and integers of ranks are simply added.

#include <cstdint>

#include "runtime/device/stream.h"
#include "runtime/device/view.h"

namespace softmoe::ops {

inline constexpr int kExactIntegers = 5;  ///< of one sum

/// sums_N5[n] += x_N[n], rounded to a multiple of 2^-64. Terms of 2^63 and above, or not finite,
/// are counted instead.
/// @throws InvalidArgument if the sizes do not fit. No kernel for GPUs.
using ExactAddOp = void(View<const double> x_N, View<std::int64_t> sums_N5, Stream& stream);
ExactAddOp exact_add;
namespace reference {
ExactAddOp exact_add;
}

/// sum_5 += the squares of all x, each as by exact_add().
/// @param x f32 or f64, of any shape. @throws InvalidArgument likewise. No kernel for GPUs.
using ExactAddSquaresOp = void(ConstTensorView x, View<std::int64_t> sum_5, Stream& stream);
ExactAddSquaresOp exact_add_squares;
namespace reference {
ExactAddSquaresOp exact_add_squares;
}
namespace cpu {
ExactAddSquaresOp exact_add_squares;
}

/// x_N[n] := the sum as f64, a function of its value alone; NaN if it missed a term.
/// @throws InvalidArgument likewise. No kernel for GPUs.
using ExactValueOp = void(View<const std::int64_t> sums_N5, View<double> x_N, Stream& stream);
ExactValueOp exact_value;
namespace reference {
ExactValueOp exact_value;
}

}  // namespace softmoe::ops
