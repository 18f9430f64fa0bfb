#pragma once

#include "runtime/device/stream.h"
#include "runtime/device/view.h"

namespace softmoe::ops {

/// target := source, each element rounded to the type of `target`. Floating types, equal sizes.
/// @throws InvalidArgument naming sizes or types if they do not fit.
using ConvertOp = void(ConstTensorView source, TensorView target, Stream& stream);
ConvertOp convert;
namespace reference {
ConvertOp convert;
}
namespace cuda {
ConvertOp convert;
}

}  // namespace softmoe::ops
