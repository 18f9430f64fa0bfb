#pragma once

// The one seam to matrix products. Serial BLAS inside, our threads outside.

#include <cstdint>
#include <span>

#include "runtime/device/arena.h"
#include "runtime/device/stream.h"
#include "runtime/device/view.h"

namespace softmoe::ops {

enum class Transpose : std::uint8_t { no, yes };

/// C = alpha * op(A) op(B) + beta * C over row-major matrices of one floating type.
struct GemmArguments {
  ConstTensorView a;  ///< [m, k], or [k, m] if transposed
  ConstTensorView b;  ///< [k, n], or [n, k] if transposed
  TensorView c;       ///< [m, n]; may be uninitialised if beta is 0
  Transpose transpose_a = Transpose::no;
  Transpose transpose_b = Transpose::no;
  double alpha = 1.0;
  double beta = 0.0;
};

/// Any extent may be 0 (k = 0 leaves beta * C). Large products are cut into blocks over the
/// workers of the stream's device. cuda: cuBLAS, f32 (no TF32) and bf16, sums in f32.
/// @throws InvalidArgument naming the shapes if they do not fit, or if types differ.
using GemmOp = void(const GemmArguments& arguments, Stream& stream);
GemmOp gemm;
namespace reference {
GemmOp gemm;
}
namespace cpu {
GemmOp gemm;
}
namespace cuda {
GemmOp gemm;
}

/// Two products, neither of which reads or writes what the other writes. On the processor the
/// workers share the blocks of both, so that one too small to be cut leaves nobody idle.
using GemmPairOp = void(const GemmArguments& first, const GemmArguments& second, Stream& stream);
GemmPairOp gemm_pair;
namespace cpu {
GemmPairOp gemm_pair;
}

/// One product per group over rows that lie behind one another: group g owns rows
/// [row_begin[g], row_begin[g + 1]) of the row matrices and slice g of the per-group matrices.
/// The rows of a group may come in several runs, each a product of its own: then a row's bits
/// depend on the rows of its run alone, and run r of group g is number g * runs + r of row_begin.
struct GroupedGemmArguments {
  ConstTensorView rows;     ///< [M, k]
  ConstTensorView weights;  ///< [groups, n, k] if transposed, else [groups, k, n]
  TensorView out;           ///< [M, n]
  Transpose transpose_weights = Transpose::yes;
  std::span<const std::int64_t>
      row_begin;  ///< host, [groups * runs + 1], first 0, last M; lives until the stream has passed
  std::int64_t runs = 1;  ///< of each group. cuda: 1
};

/// out_g = rows_g * op(weights_g), groups largest first over the workers. Groups may be empty.
/// @param scratch  released before return
/// @throws InvalidArgument naming the shapes if they do not fit.
using GroupedGemmOp = void(const GroupedGemmArguments& arguments, Arena& scratch, Stream& stream);
GroupedGemmOp grouped_gemm;
namespace reference {
GroupedGemmOp grouped_gemm;
}
namespace cpu {
GroupedGemmOp grouped_gemm;
}
namespace cuda {
GroupedGemmOp grouped_gemm;
}

/// The gradient of the weights of a grouped product.
struct GroupedGemmWeightArguments {
  ConstTensorView d_out;  ///< [M, n]
  ConstTensorView rows;   ///< [M, k]
  TensorView d_weights;   ///< [groups, n, k]
  double beta = 1.0;      ///< 1 adds to d_weights, 0 overwrites (empty groups become zero)
  std::span<const std::int64_t> row_begin;  ///< host, [groups * runs + 1], as above
  std::int64_t runs = 1;                    ///< of each group. cuda: 1
  std::int64_t run = 0;                     ///< the one of each group whose rows are multiplied
};

/// d_weights_g = beta * d_weights_g + d_out_g^T * rows_g, groups largest first over the workers.
/// @param scratch  released before return
/// @throws InvalidArgument naming the shapes if they do not fit.
using GroupedGemmWeightOp = void(const GroupedGemmWeightArguments& arguments, Arena& scratch,
                                 Stream& stream);
GroupedGemmWeightOp grouped_gemm_weight;
namespace reference {
GroupedGemmWeightOp grouped_gemm_weight;
}
namespace cpu {
GroupedGemmWeightOp grouped_gemm_weight;
}
namespace cuda {
GroupedGemmWeightOp grouped_gemm_weight;
}

}  // namespace softmoe::ops
