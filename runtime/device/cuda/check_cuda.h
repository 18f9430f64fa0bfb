#pragma once

// Errors of the CUDA runtime as DeviceError.

#include <cuda_runtime.h>

#include <string_view>

namespace softmoe::cuda {

/// @throws DeviceError naming `call` and CUDA's own words unless `code` is cudaSuccess.
void check_cuda(cudaError_t code, std::string_view call);

}  // namespace softmoe::cuda
