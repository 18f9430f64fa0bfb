#pragma once

// What the 32 threads of a warp find out together. Sums are butterflies: every lane gets the same
// bits, and the order is fixed. For .cu files; all lanes of the warp call.

#include "runtime/device/cuda/launch.h"

namespace softmoe::ops::cuda {

using softmoe::cuda::kAllLanes;
using softmoe::cuda::kWarp;

__device__ inline int lane_index() {
  return static_cast<int>(threadIdx.x % kWarp);
}
/// Warp within its block.
__device__ inline int warp_index() {
  return static_cast<int>(threadIdx.x / kWarp);
}

template <class T>
__device__ T warp_sum(T value) {
  for (int distance = kWarp / 2; distance > 0; distance /= 2) {
    value += __shfl_xor_sync(kAllLanes, value, distance);
  }
  return value;
}

template <class T>
__device__ T warp_max(T value) {
  for (int distance = kWarp / 2; distance > 0; distance /= 2) {
    const T other = __shfl_xor_sync(kAllLanes, value, distance);
    value = value < other ? other : value;
  }
  return value;
}

template <class T>
__device__ T warp_min(T value) {
  for (int distance = kWarp / 2; distance > 0; distance /= 2) {
    const T other = __shfl_xor_sync(kAllLanes, value, distance);
    value = other < value ? other : value;
  }
  return value;
}

/// The sum of the values of this and all lower lanes.
template <class T>
__device__ T warp_inclusive_sum(T value) {
  for (int distance = 1; distance < kWarp; distance *= 2) {
    const T lower = __shfl_up_sync(kAllLanes, value, static_cast<unsigned>(distance));
    if (lane_index() >= distance) value += lower;
  }
  return value;
}

}  // namespace softmoe::ops::cuda
