#pragma once

// How kernels start: one call that both nvcc and a host compiler understand. For .cu files.

#include <cuda_runtime.h>

#include <cstdint>
#include <type_traits>

#include "runtime/base/narrow.h"
#include "runtime/device/cuda/check_cuda.h"
#include "runtime/device/stream.h"

namespace softmoe::cuda {

/// Threads that run in step and talk by shuffles.
inline constexpr int kWarp = 32;
inline constexpr unsigned kAllLanes = 0xffffffffU;

[[nodiscard]] inline cudaStream_t native(const Stream& stream) {
  return static_cast<cudaStream_t>(stream.handle());
}

/// A grid in one dim. Dynamic shared memory above 48 KiB is not used by this project.
struct LaunchShape {
  std::int64_t blocks = 0;  ///< 0: nothing to do, nothing is launched
  int threads = kWarp;      ///< per block, a multiple of kWarp
  std::int64_t shared_bytes = 0;
};

/// Blocks that cover `items` with `per_block` each.
[[nodiscard]] constexpr std::int64_t blocks_for(std::int64_t items, std::int64_t per_block) {
  return (items + per_block - 1) / per_block;
}

/// Enqueues `kernel(arguments...)`; arguments are converted to the kernel's parameters.
/// @throws DeviceError if the launch is refused.
template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), const LaunchShape& shape, Stream& stream,
            const Arguments&... arguments) {
  if (shape.blocks == 0) return;
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(narrow<unsigned>(shape.blocks));
  config.blockDim = dim3(static_cast<unsigned>(shape.threads));
  config.dynamicSmemBytes = static_cast<std::size_t>(shape.shared_bytes);
  config.stream = native(stream);
  check_cuda(cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...),
             "cudaLaunchKernelEx");
}

}  // namespace softmoe::cuda
