#include "runtime/device/cuda/check_cuda.h"

#include <fmt/format.h>

#include "runtime/base/errors.h"

namespace softmoe::cuda {

void check_cuda(cudaError_t code, std::string_view call) {
  if (code == cudaSuccess) return;
  throw DeviceError(fmt::format("{}: {} ({}), CUDA error {}", call, cudaGetErrorString(code),
                                cudaGetErrorName(code), static_cast<int>(code)));
}

}  // namespace softmoe::cuda
