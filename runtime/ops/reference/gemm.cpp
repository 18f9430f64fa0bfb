#include "runtime/ops/gemm.h"

namespace softmoe::ops::reference {

namespace {

/// op(A) of a row-major matrix, element by element.
template <class T>
struct Matrix {
  const T* data;
  std::int64_t columns;  ///< as stored
  Transpose transpose;

  double operator()(std::int64_t row, std::int64_t column) const {
    return double{transpose == Transpose::yes ? data[column * columns + row]
                                              : data[row * columns + column]};
  }
};

/// Extents of op(A) op(B): [m, k] times [k, n].
struct Extents {
  std::int64_t m, n, k;
};

template <class T>
void multiply(const GemmArguments& arguments, const Extents& extents) {
  const auto& [m, n, k] = extents;
  const Matrix<T> a{arguments.a.as<T>().data(), arguments.a.dim(1), arguments.transpose_a};
  const Matrix<T> b{arguments.b.as<T>().data(), arguments.b.dim(1), arguments.transpose_b};
  T* const c = arguments.c.as<T>().data();
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      double product = 0;
      for (std::int64_t p = 0; p < k; ++p) product += a(i, p) * b(p, j);
      // A beta of 0 overwrites: what was there may be NaN.
      const double before = arguments.beta == 0 ? 0 : arguments.beta * double{c[i * n + j]};
      c[i * n + j] = static_cast<T>(arguments.alpha * product + before);
    }
  }
}

void multiply(const GemmArguments& arguments) {
  const Extents extents{.m = arguments.c.dim(0),
                        .n = arguments.c.dim(1),
                        .k = arguments.a.dim(arguments.transpose_a == Transpose::yes ? 0 : 1)};
  visit_float(arguments.c.dtype(), [&]<class T>() { multiply<T>(arguments, extents); });
}

/// Slice `group` of a tensor of matrices.
template <class Tensor>
Tensor matrix_of(const Tensor& matrices, std::int64_t group) {
  return matrices.rows(group, group + 1).reshaped({matrices.dim(1), matrices.dim(2)});
}

}  // namespace

void gemm(const GemmArguments& arguments, Stream& stream) {
  stream.run([arguments] { multiply(arguments); });
}

void grouped_gemm(const GroupedGemmArguments& arguments, Arena& /*scratch*/, Stream& stream) {
  stream.run([arguments] {
    const auto& [rows, weights, out, transpose_weights, row_begin, runs] = arguments;
    for (std::int64_t number = 0; number < weights.dim(0) * runs; ++number) {
      const std::int64_t begin = row_begin[static_cast<std::size_t>(number)];
      const std::int64_t end = row_begin[static_cast<std::size_t>(number) + 1];
      multiply({.a = rows.rows(begin, end),
                .b = matrix_of(weights, number / runs),
                .c = out.rows(begin, end),
                .transpose_b = transpose_weights});
    }
  });
}

void grouped_gemm_weight(const GroupedGemmWeightArguments& arguments, Arena& /*scratch*/,
                         Stream& stream) {
  stream.run([arguments] {
    const auto& [d_out, rows, d_weights, beta, row_begin, runs, run] = arguments;
    for (std::int64_t group = 0; group < d_weights.dim(0); ++group) {
      const auto number = static_cast<std::size_t>(group * runs + run);
      const std::int64_t begin = row_begin[number];
      const std::int64_t end = row_begin[number + 1];
      multiply({.a = d_out.rows(begin, end),
                .b = rows.rows(begin, end),
                .c = matrix_of(d_weights, group),
                .transpose_a = Transpose::yes,
                .beta = beta});
    }
  });
}

}  // namespace softmoe::ops::reference
