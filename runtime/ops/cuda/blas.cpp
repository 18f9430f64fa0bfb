#include "runtime/ops/cuda/blas.h"

#include <fmt/format.h>

#include "runtime/base/errors.h"
#include "runtime/base/narrow.h"
#include "runtime/device/cuda/check_cublas.h"
#include "runtime/device/cuda/cuda_device.h"

namespace softmoe::ops::cuda {

using softmoe::cuda::check_cublas;
using softmoe::cuda::CudaDevice;
using softmoe::cuda::GroupArrays;
using softmoe::cuda::StreamBlas;

namespace {

StreamBlas& blas_of(Stream& stream) {
  return static_cast<CudaDevice&>(stream.device())
      .blas_handles()
      .on(static_cast<cudaStream_t>(stream.handle()));
}

cublasOperation_t operation_of(Transpose transpose) {
  return transpose == Transpose::yes ? CUBLAS_OP_T : CUBLAS_OP_N;
}

cudaDataType_t type_of(DType dtype) {
  return dtype == DType::bf16 ? CUDA_R_16BF : CUDA_R_32F;
}

void check_type(DType dtype) {
  if (dtype == DType::f32 || dtype == DType::bf16) return;
  throw DeviceError(
      fmt::format("gemm: a GPU multiplies f32 and bf16, not {}: run it on the processor "
                  "(runtime.backend cpu)",
                  name_of(dtype)));
}

void clear(GroupArrays& arrays) {
  arrays.transpose_a.clear();
  arrays.transpose_b.clear();
  for (auto* const numbers : {&arrays.m, &arrays.n, &arrays.k, &arrays.row_a, &arrays.row_b,
                              &arrays.row_c, &arrays.size}) {
    numbers->clear();
  }
  arrays.alpha.clear();
  arrays.beta.clear();
}

void append(GroupArrays& arrays, const Product& product) {
  arrays.transpose_a.push_back(operation_of(product.transpose_b));
  arrays.transpose_b.push_back(operation_of(product.transpose_a));
  arrays.m.push_back(narrow<int>(product.n));
  arrays.n.push_back(narrow<int>(product.m));
  arrays.k.push_back(narrow<int>(product.k));
  arrays.row_a.push_back(narrow<int>(product.row_b));
  arrays.row_b.push_back(narrow<int>(product.row_a));
  arrays.row_c.push_back(narrow<int>(product.row_c));
  arrays.size.push_back(1);
  arrays.alpha.push_back(static_cast<float>(product.alpha));
  arrays.beta.push_back(static_cast<float>(product.beta));
}

/// A grouped call sees only addresses on the device and takes bf16 matrices to be aligned; a single
/// call looks at them and finds another kernel.
bool fits_grouped_call(const GroupedProduct& grouped) {
  if (grouped.each.dtype == DType::f32) return true;
  constexpr std::uintptr_t kAlignment = 16;
  std::uintptr_t together = 0;
  for (const GroupOperand& operand : {grouped.a, grouped.b, grouped.c}) {
    together |= reinterpret_cast<std::uintptr_t>(operand.base) |
                static_cast<std::uintptr_t>(operand.row_bytes) |
                static_cast<std::uintptr_t>(operand.slice_bytes);
  }
  return together % kAlignment == 0;
}

/// From how many rows on a group is multiplied by a call of its own. It depends on the product and
/// not on the other groups, so results do not either.
std::int64_t rows_of_own_call(const GroupedProduct& grouped) {
  // Those that share rows instead of columns it would launch one after another itself.
  if (grouped.rows == &Product::k || !fits_grouped_call(grouped)) return 1;
  const std::int64_t flops_of_row = 2 * grouped.each.n * grouped.each.k;
  return (grouped.own_call_flops + flops_of_row - 1) / flops_of_row;
}

Product product_of(const GroupedProduct& grouped, std::int64_t num_rows) {
  Product product = grouped.each;
  product.*grouped.rows = num_rows;
  return product;
}

void multiply_on(const StreamBlas& blas, const Product& product, const ProductMatrices& matrices) {
  const auto alpha = static_cast<float>(product.alpha);
  const auto beta = static_cast<float>(product.beta);
  check_cublas(cublasGemmEx(blas.handle(), operation_of(product.transpose_b),
                            operation_of(product.transpose_a), narrow<int>(product.n),
                            narrow<int>(product.m), narrow<int>(product.k), &alpha, matrices.b,
                            type_of(product.dtype), narrow<int>(product.row_b), matrices.a,
                            type_of(product.dtype), narrow<int>(product.row_a), &beta, matrices.c,
                            type_of(product.dtype), narrow<int>(product.row_c), CUBLAS_COMPUTE_32F,
                            CUBLAS_GEMM_DEFAULT),
               "cublasGemmEx");
}

/// On two streams in turn: where one product ends the next one has begun.
void multiply_by_own_calls(const GroupedProduct& grouped, RowLimits limits, StreamBlas& blas) {
  bool has_any = false;
  for_each_group(grouped.row_begin, limits, [&](auto...) { has_any = true; });
  if (!has_any) return;
  StreamBlas* const branches[] = {&blas, &blas.fork()};
  std::size_t calls = 0;
  for_each_group(
      grouped.row_begin, limits, [&](std::int64_t group, std::int64_t begin, std::int64_t end) {
        const auto matrix_of = [&](const GroupOperand& operand) {
          return operand.base + begin * operand.row_bytes + group * operand.slice_bytes;
        };
        multiply_on(*branches[calls++ % std::size(branches)], product_of(grouped, end - begin),
                    {.a = matrix_of(grouped.a),
                     .b = matrix_of(grouped.b),
                     .c = const_cast<std::byte*>(matrix_of(grouped.c))});
      });
  blas.join();
}

void multiply_by_one_call(const GroupedProduct& grouped, RowLimits limits, StreamBlas& blas,
                          Arena& scratch, Stream& stream) {
  GroupArrays& arrays = blas.group_arrays();
  clear(arrays);
  for_each_group(grouped.row_begin, limits,
                 [&](std::int64_t, std::int64_t begin, std::int64_t end) {
                   append(arrays, product_of(grouped, end - begin));
                 });
  const std::int64_t groups = std::ssize(arrays.size);
  if (groups == 0) return;

  const ArenaScope scope(scratch);
  const View<void*> pointers = scratch.push<void*>(3 * groups);
  const GroupOperand operands[] = {grouped.b, grouped.a, grouped.c};
  fill_group_pointers(grouped.row_begin, limits, operands, pointers, stream);
  check_cublas(
      cublasGemmGroupedBatchedEx(
          blas.handle(), arrays.transpose_a.data(), arrays.transpose_b.data(), arrays.m.data(),
          arrays.n.data(), arrays.k.data(), arrays.alpha.data(), pointers.data(),
          type_of(grouped.each.dtype), arrays.row_a.data(), pointers.data() + groups,
          type_of(grouped.each.dtype), arrays.row_b.data(), arrays.beta.data(),
          pointers.data() + 2 * groups, type_of(grouped.each.dtype), arrays.row_c.data(),
          narrow<int>(groups), arrays.size.data(), CUBLAS_COMPUTE_32F),
      "cublasGemmGroupedBatchedEx");
}

}  // namespace

void multiply(const Product& product, const ProductMatrices& matrices, Stream& stream) {
  check_type(product.dtype);
  multiply_on(blas_of(stream), product, matrices);
}

void multiply_groups(const GroupedProduct& grouped, Arena& scratch, Stream& stream) {
  check_type(grouped.each.dtype);
  StreamBlas& blas = blas_of(stream);
  const std::int64_t own = rows_of_own_call(grouped);
  if (own > 1) multiply_by_one_call(grouped, {.below = own}, blas, scratch, stream);
  multiply_by_own_calls(grouped, {.at_least = own}, blas);
}

}  // namespace softmoe::ops::cuda
