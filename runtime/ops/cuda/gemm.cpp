#include "runtime/ops/gemm.h"

#include "runtime/ops/cuda/blas.h"
#include "runtime/ops/cuda/scale.h"

// cuBLAS never sees an extent of 0: what remains of a product then is beta * C.

namespace softmoe::ops::cuda {

void gemm(const GemmArguments& arguments, Stream& stream) {
  const auto& [a, b, c, transpose_a, transpose_b, alpha, beta] = arguments;
  if (c.empty()) return;
  const std::int64_t k = a.dim(transpose_a == Transpose::yes ? 0 : 1);
  if (k == 0) return scale(c, beta, stream);
  multiply({.transpose_a = transpose_a,
            .transpose_b = transpose_b,
            .m = c.dim(0),
            .n = c.dim(1),
            .k = k,
            .row_a = a.dim(1),
            .row_b = b.dim(1),
            .row_c = c.dim(1),
            .alpha = alpha,
            .beta = beta,
            .dtype = a.dtype()},
           {.a = a.data(), .b = b.data(), .c = c.data()}, stream);
}

void grouped_gemm(const GroupedGemmArguments& arguments, Arena& scratch, Stream& stream) {
  const auto& [rows, weights, out, transpose_weights, row_begin, runs] = arguments;
  if (out.empty()) return;
  const std::int64_t k = rows.dim(1);
  const std::int64_t n = out.dim(1);
  if (k == 0) return scale(out, 0.0, stream);
  const std::int64_t element = size_of(rows.dtype());
  multiply_groups({.each = {.transpose_b = transpose_weights,
                            .n = n,
                            .k = k,
                            .row_a = k,
                            .row_b = weights.dim(2),
                            .row_c = n,
                            .dtype = rows.dtype()},
                   .rows = &Product::m,
                   .a = {.base = rows.data(), .row_bytes = k * element, .slice_bytes = 0},
                   .b = {.base = weights.data(), .row_bytes = 0, .slice_bytes = n * k * element},
                   .c = {.base = out.data(), .row_bytes = n * element, .slice_bytes = 0},
                   .row_begin = row_begin},
                  scratch, stream);
}

void grouped_gemm_weight(const GroupedGemmWeightArguments& arguments, Arena& scratch,
                         Stream& stream) {
  const auto& [d_out, rows, d_weights, beta, row_begin, runs, run] = arguments;
  if (d_weights.empty()) return;
  for (std::size_t group = 0; group + 1 < row_begin.size(); ++group) {
    if (row_begin[group] < row_begin[group + 1]) continue;
    const auto slice = static_cast<std::int64_t>(group);
    scale(d_weights.rows(slice, slice + 1), beta, stream);
  }
  const std::int64_t n = d_out.dim(1);
  const std::int64_t k = rows.dim(1);
  const std::int64_t element = size_of(rows.dtype());
  multiply_groups({.each = {.transpose_a = Transpose::yes,
                            .m = n,
                            .n = k,
                            .row_a = n,
                            .row_b = k,
                            .row_c = k,
                            .beta = beta,
                            .dtype = rows.dtype()},
                   .rows = &Product::k,
                   .a = {.base = d_out.data(), .row_bytes = n * element, .slice_bytes = 0},
                   .b = {.base = rows.data(), .row_bytes = k * element, .slice_bytes = 0},
                   .c = {.base = d_weights.data(), .row_bytes = 0, .slice_bytes = n * k * element},
                   .row_begin = row_begin},
                  scratch, stream);
}

}  // namespace softmoe::ops::cuda
