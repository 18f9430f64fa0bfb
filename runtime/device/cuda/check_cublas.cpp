#include "runtime/device/cuda/check_cublas.h"

#include <fmt/format.h>

#include "runtime/base/errors.h"

namespace softmoe::cuda {

void check_cublas(cublasStatus_t status, std::string_view call) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw DeviceError(fmt::format("{}: {}, cuBLAS status {}", call, cublasGetStatusString(status),
                                static_cast<int>(status)));
}

}  // namespace softmoe::cuda
