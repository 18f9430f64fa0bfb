#pragma once

// The one seam to matrix products. One call is one serial product; threads are ours, outside.

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

/// Who multiplies. Each is the faster one over the shapes of a step on one kind of processor:
/// oneDNN with AVX-512, OpenBLAS without (docs/performance.md).
enum class GemmLibrary : std::uint8_t { openblas, onednn };

/// The choice for this process, made before main by the processor. SOFTMOE_GEMM=openblas or onednn
/// in the environment has the last word; anything else there is ignored.
[[nodiscard]] GemmLibrary gemm_library();

/// The processor whose kernels OpenBLAS runs, in its own word, e.g. "SkylakeX" or "Haswell".
[[nodiscard]] const char* blas_kernels();

}  // namespace softmoe::ops::cpu
