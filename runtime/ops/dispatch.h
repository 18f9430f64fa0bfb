#pragma once

#include "runtime/base/dtype.h"
#include "runtime/device/stream.h"

namespace softmoe::ops {

/// Vector kernels exist for f32 only; every other type runs on the specification.
/// @throws DeviceError on a CUDA device, whose kernels this build lacks.
[[nodiscard]] bool has_vector_kernels(const Stream& stream, DType dtype);

/// The kernel that an operation over elements of `dtype` runs on this stream.
/// @throws DeviceError likewise.
template <class Op>
[[nodiscard]] Op* pick(const Stream& stream, DType dtype, Op* reference_kernel, Op* cpu_kernel) {
  return has_vector_kernels(stream, dtype) ? cpu_kernel : reference_kernel;
}

}  // namespace softmoe::ops
