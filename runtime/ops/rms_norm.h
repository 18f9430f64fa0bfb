#pragma once

// Letters: T tokens, H hidden.

#include "runtime/device/stream.h"
#include "runtime/device/view.h"

namespace softmoe::ops {

/// y = x * r * gain with r = 1 / sqrt(mean(x^2) + epsilon), per row (Zhang and Sennrich,
/// arXiv 1910.07467, eq. 4). All floating tensors share one type; r is f64 for f64, else f32.
///
/// @param x_TH     [T, H]
/// @param gain_H   [H]
/// @param y_TH     [T, H], may be x_TH
/// @param scale_T  [T], receives r for the backward pass
using RmsNormOp = void(ConstTensorView x_TH, ConstTensorView gain_H, double epsilon,
                       TensorView y_TH, TensorView scale_T, Stream& stream);
RmsNormOp rms_norm;
namespace reference {
RmsNormOp rms_norm;
}
namespace cpu {
RmsNormOp rms_norm;
}
namespace cuda {
RmsNormOp rms_norm;
}

struct RmsNormBackwardArguments {
  ConstTensorView d_y_TH;
  ConstTensorView x_TH;
  ConstTensorView gain_H;
  ConstTensorView scale_T;
  TensorView d_x_TH;    ///< the gradient is ADDED: x also feeds the residual stream
  TensorView d_gain_H;  ///< beta * d_gain_H + sum over rows, in an order that T alone decides
  double beta = 1.0;
};

using RmsNormBackwardOp = void(const RmsNormBackwardArguments& arguments, Stream& stream);
RmsNormBackwardOp rms_norm_backward;
namespace reference {
RmsNormBackwardOp rms_norm_backward;
}
namespace cpu {
RmsNormBackwardOp rms_norm_backward;
}
namespace cuda {
RmsNormBackwardOp rms_norm_backward;
}

}  // namespace softmoe::ops
