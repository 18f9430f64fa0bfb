#pragma once

// Shared memory of a block. For .cu files; the one place that names it, so that an emulation can
// fill it with garbage before each block and fence it behind what the launch asked for.

#include <cuda_runtime.h>

#include <cstdint>

extern __shared__ __align__(16) unsigned char softmoe_shared_bytes[];

namespace softmoe::cuda {

/// Shared memory of the block as elements of T, from `offset_bytes` on (a multiple of alignof(T)).
/// Its size is LaunchShape::shared_bytes; it holds garbage at first.
template <class T>
[[nodiscard]] __device__ inline T* shared_memory(std::int64_t offset_bytes = 0) {
  return reinterpret_cast<T*>(softmoe_shared_bytes + offset_bytes);
}

}  // namespace softmoe::cuda
