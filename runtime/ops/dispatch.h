#pragma once

#include <string_view>

#include "runtime/base/dtype.h"
#include "runtime/device/stream.h"

namespace softmoe::ops {

/// The kernels of one operation. Null where a backend has none.
template <class Op>
struct Kernels {
  std::string_view operation;
  Op* reference;
  Op* cpu;
  Op* cuda;
};

/// Vector kernels exist for f32 only; every other type runs on the specification.
[[nodiscard]] bool has_vector_kernels(const Stream& stream, DType dtype);

/// @throws DeviceError naming the operation, for one that has no CUDA kernel.
[[noreturn]] void refuse_cuda(std::string_view operation);

/// The kernel that an operation over elements of `dtype` runs on this stream.
/// @throws DeviceError naming the operation if the stream is of a GPU and there is no kernel for
/// it.
template <class Op>
[[nodiscard]] Op* pick(const Stream& stream, DType dtype, const Kernels<Op>& kernels) {
  if (stream.backend() == Backend::cuda) {
    if (kernels.cuda == nullptr) refuse_cuda(kernels.operation);
    return kernels.cuda;
  }
  return has_vector_kernels(stream, dtype) ? kernels.cpu : kernels.reference;
}

/// The same for an operation whose processor kernels take every type that it has.
template <class Op>
[[nodiscard]] Op* pick(const Stream& stream, const Kernels<Op>& kernels) {
  return pick(stream, DType::f32, kernels);
}

}  // namespace softmoe::ops
