#include "runtime/ops/cuda/router_limits.h"

#include <fmt/format.h>

#include "runtime/base/errors.h"

namespace softmoe::ops::cuda {

void require_f32(std::string_view operation, DType dtype) {
  if (dtype == DType::f32) return;
  throw DeviceError(
      fmt::format("{}: CUDA kernels of the router are for f32, got {}: run {} on the "
                  "processor (runtime.backend cpu)",
                  operation, name_of(dtype), name_of(dtype)));
}

void refuse_columns(std::string_view operation, std::int64_t columns, std::int64_t limit) {
  throw DeviceError(
      fmt::format("{}: a row has {} columns, but the registers of a warp hold at most "
                  "{}: use fewer experts, or the processor (runtime.backend cpu)",
                  operation, columns, limit));
}

}  // namespace softmoe::ops::cuda
