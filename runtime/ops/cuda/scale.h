#pragma once

#include "runtime/device/stream.h"
#include "runtime/device/view.h"

namespace softmoe::ops::cuda {

/// x := factor * x, for f32 and bf16. A factor of 0 overwrites: x may be uninitialised.
void scale(TensorView x, double factor, Stream& stream);

}  // namespace softmoe::ops::cuda
