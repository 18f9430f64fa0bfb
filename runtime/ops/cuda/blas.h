#pragma once

// cuBLAS in terms of row-major matrices. It thinks in columns, so it gets everything mirrored:
// C^T = op(B)^T op(A)^T.

#include <cstddef>
#include <cstdint>
#include <span>

#include "runtime/device/arena.h"
#include "runtime/device/stream.h"
#include "runtime/ops/cuda/group_pointers.h"
#include "runtime/ops/gemm.h"

namespace softmoe::ops::cuda {

/// C = alpha * op(A) op(B) + beta * C, sums in f32, no extent 0.
struct Product {
  Transpose transpose_a = Transpose::no;
  Transpose transpose_b = Transpose::no;
  std::int64_t m = 0;
  std::int64_t n = 0;
  std::int64_t k = 0;
  std::int64_t row_a = 0;  ///< elements from one stored row of A to the next
  std::int64_t row_b = 0;
  std::int64_t row_c = 0;
  double alpha = 1.0;
  double beta = 0.0;
  DType dtype = DType::f32;  ///< of all three: f32 or bf16
};

struct ProductMatrices {
  const std::byte* a;
  const std::byte* b;
  std::byte* c;
};

/// @throws DeviceError naming the type if there is no such product, or what cuBLAS says.
void multiply(const Product& product, const ProductMatrices& matrices, Stream& stream);

/// One product for each group that has rows: small ones in one call of cuBLAS, others in their own.
struct GroupedProduct {
  Product each;                 ///< the extent `rows` is filled in
  std::int64_t Product::*rows;  ///< the extent that is a group's number of rows
  GroupOperand a;
  GroupOperand b;
  GroupOperand c;                           ///< written
  std::span<const std::int64_t> row_begin;  ///< host, [groups + 1]; read before return
  /// From so much work on a group has a call of its own. cuBLAS 13 multiplies groups together by
  /// a kernel made for Ampere, at 270 Tflop/s on an H200 where calls of 6 Gflop reach 510; but a
  /// call keeps the host for 7.5 us (bench/gpu_kernels).
  std::int64_t own_call_flops = 3'000'000'000;
};

/// @param scratch  released before return
/// @throws DeviceError likewise.
void multiply_groups(const GroupedProduct& grouped, Arena& scratch, Stream& stream);

}  // namespace softmoe::ops::cuda
