#pragma once

// The only place that calls a BLAS. One call is one serial product; threads are ours, outside.

#include <cstdint>

#include "runtime/ops/gemm.h"

namespace softmoe::ops::cpu {

/// A row-major matrix inside a wider one: row i starts at data + i * stride.
struct BlasMatrix {
  const float* data;
  std::int64_t stride;
  Transpose transpose = Transpose::no;
};

/// Extents and factors of C = alpha * op(A) op(B) + beta * C with op(A) [m, k], op(B) [k, n].
struct BlasProduct {
  std::int64_t m;
  std::int64_t n;
  std::int64_t k;
  float alpha = 1.0F;
  float beta = 0.0F;
};

/// Any extent may be 0. C is not read if beta is 0.
void sgemm(const BlasProduct& product, const BlasMatrix& a, const BlasMatrix& b, float* c,
           std::int64_t c_stride);

/// The processor whose kernels the BLAS runs, in its own word, e.g. "SkylakeX" or "Haswell".
[[nodiscard]] const char* blas_kernels();

}  // namespace softmoe::ops::cpu
