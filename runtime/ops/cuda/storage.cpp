#include "runtime/ops/cuda/storage.h"

#include <fmt/format.h>

#include "runtime/base/errors.h"

namespace softmoe::ops::cuda {

void refuse_storage(std::string_view operation, DType dtype) {
  throw DeviceError(
      fmt::format("{}: CUDA kernels are for f32 and bf16, got {}: run {} on the "
                  "processor (runtime.backend cpu)",
                  operation, name_of(dtype), name_of(dtype)));
}

}  // namespace softmoe::ops::cuda
