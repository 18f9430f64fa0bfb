#pragma once

#include "runtime/device/stream.h"
#include "runtime/device/view.h"

namespace softmoe::ops {

struct AdamwArguments {
  TensorView parameter;       ///< [n], any floating type
  ConstTensorView gradient;   ///< [n], same type
  TensorView first_moment;    ///< [n], f64 for f64, else f32
  TensorView second_moment;   ///< [n], likewise
  double gradient_scale = 1;  ///< multiplies the gradient first: 1 / tokens, and clipping
  double learning_rate = 0;
  double beta1 = 0.9;
  double beta2 = 0.95;
  double epsilon = 1e-8;
  double weight_decay = 0;  ///< decoupled: parameter -= learning_rate * weight_decay * parameter
  std::int64_t update = 1;  ///< number of this update, from 1: the bias correction
};

/// One AdamW update (Loshchilov and Hutter, arXiv 1711.05101, alg. 2) in one pass over memory.
/// @throws InvalidArgument if sizes differ or `update` < 1.
using AdamwOp = void(const AdamwArguments& arguments, Stream& stream);
AdamwOp adamw;
namespace reference {
AdamwOp adamw;
}
namespace cpu {
AdamwOp adamw;
}

}  // namespace softmoe::ops
