#include <fmt/format.h>

#include "runtime/base/errors.h"
#include "runtime/ops/dispatch.h"

namespace softmoe::ops {

bool has_vector_kernels(const Stream& stream, DType dtype) {
  return stream.backend() == Backend::cpu && dtype == DType::f32;
}

void refuse_cuda(std::string_view operation) {
  throw DeviceError(
      fmt::format("{} has no CUDA kernel: run on the processor (runtime.backend cpu)", operation));
}

}  // namespace softmoe::ops
