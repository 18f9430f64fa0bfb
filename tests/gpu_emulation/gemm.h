#pragma once

// The arithmetic of cuBLAS's products.

#include <optional>
#include <string>

#include "tests/gpu_emulation/include/cublas_v2.h"

namespace softmoe::gpu_emulation {

/// C := alpha op(A) op(B) + beta C, all column-major. A and B have one type.
struct Gemm {
  cublasOperation_t transpose_a;
  cublasOperation_t transpose_b;
  int m, n, k;
  float alpha, beta;
  int lda, ldb, ldc;
  cudaDataType type_ab, type_c;
};

struct GemmMatrices {
  const void* a;
  const void* b;
  void* c;
};

/// What cuBLAS would refuse about sizes and types.
[[nodiscard]] cublasStatus_t check(const Gemm& gemm);

/// What is wrong with the addresses: every matrix has to lie in one allocation of `device`.
[[nodiscard]] std::optional<std::string> check_addresses(const Gemm& gemm,
                                                         const GemmMatrices& matrices, int device);

/// Sums are in f64, in rising k, and rounded once, so no split of k and no tile shows: a GPU gives
/// other last bits. C is not read where beta is 0.
void multiply(const Gemm& gemm, const GemmMatrices& matrices);

}  // namespace softmoe::gpu_emulation
