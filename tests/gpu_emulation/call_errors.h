#pragma once

#include <string>

#include "tests/gpu_emulation/include/cuda_runtime.h"

namespace softmoe::gpu_emulation {

/// What a call returns, kept for cudaGetLastError() of this thread unless it is success.
cudaError_t answer(cudaError_t code);
/// The same, for what CUDA would let pass or notice late: also a fault.
cudaError_t refuse(cudaError_t code, std::string text);

/// The device that this host thread has chosen.
[[nodiscard]] int current_device();

/// cudaSuccess if `stream` is one, of the current device.
[[nodiscard]] cudaError_t check_stream(cudaStream_t stream, const char* call);

}  // namespace softmoe::gpu_emulation
