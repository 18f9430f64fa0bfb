#pragma once

// Errors of cuBLAS as DeviceError.

#include <cublas_v2.h>

#include <string_view>

namespace softmoe::cuda {

/// @throws DeviceError naming `call` and cuBLAS's own words unless `status` is
/// CUBLAS_STATUS_SUCCESS.
void check_cublas(cublasStatus_t status, std::string_view call);

}  // namespace softmoe::cuda
