#pragma once

#include <cublas_v2.h>

#include <vector>

namespace softmoe::cuda {

/// What the host tells cuBLAS of the products of one grouped call, in cuBLAS's words: a product per
/// entry. Kept from call to call for its memory, so that a step allocates nothing.
struct GroupArrays {
  std::vector<cublasOperation_t> transpose_a;
  std::vector<cublasOperation_t> transpose_b;
  std::vector<int> m;
  std::vector<int> n;
  std::vector<int> k;
  std::vector<int> row_a;  ///< leading dimension of A
  std::vector<int> row_b;
  std::vector<int> row_c;
  std::vector<float> alpha;
  std::vector<float> beta;
  std::vector<int> size;  ///< products of equal shape: 1 each
};

}  // namespace softmoe::cuda
