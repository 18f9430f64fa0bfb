#pragma once

// What lapsum_values.h says of a stored probability, for kernels. For .cu files.

#include <cuda_runtime.h>

#include <cmath>

namespace softmoe::ops::cuda {

/// f = min(p, 1 - p), minus where p <= 1/2.
__device__ inline float signed_f_of(float f, bool at_most_half) {
  return at_most_half ? -f : f;
}

/// p of a signed f.
__device__ inline float probability_of(float signed_f) {
  return std::signbit(signed_f) ? -signed_f : 1 - signed_f;
}

}  // namespace softmoe::ops::cuda
