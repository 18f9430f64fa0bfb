#include "tests/gpu_emulation/gemm.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "runtime/base/dtype.h"
#include "tests/gpu_emulation/device_memory.h"
#include "tests/gpu_emulation/sanitizer.h"

namespace softmoe::gpu_emulation {
namespace {

/// A column-major matrix as it lies in memory.
struct Extent {
  int rows, columns, ld;
};

Extent extent_a(const Gemm& gemm) {
  return gemm.transpose_a == CUBLAS_OP_N ? Extent{gemm.m, gemm.k, gemm.lda}
                                         : Extent{gemm.k, gemm.m, gemm.lda};
}
Extent extent_b(const Gemm& gemm) {
  return gemm.transpose_b == CUBLAS_OP_N ? Extent{gemm.k, gemm.n, gemm.ldb}
                                         : Extent{gemm.n, gemm.k, gemm.ldb};
}
Extent extent_c(const Gemm& gemm) {
  return {gemm.m, gemm.n, gemm.ldc};
}

std::size_t size_of_type(cudaDataType type) {
  return type == CUDA_R_16BF ? 2 : 4;
}

std::size_t index(const Extent& extent, int row, int column) {
  return static_cast<std::size_t>(column) * static_cast<std::size_t>(extent.ld) +
         static_cast<std::size_t>(row);
}

std::size_t bytes_of(const Extent& extent, cudaDataType type) {
  if (extent.rows == 0 || extent.columns == 0) return 0;
  return (index(extent, extent.rows - 1, extent.columns - 1) + 1) * size_of_type(type);
}

double load(const void* matrix, cudaDataType type, std::size_t at) {
  if (type == CUDA_R_16BF) return static_cast<float>(static_cast<const Bf16*>(matrix)[at]);
  return static_cast<const float*>(matrix)[at];
}

void store(void* matrix, cudaDataType type, std::size_t at, float value) {
  if (type == CUDA_R_16BF) {
    static_cast<Bf16*>(matrix)[at] = Bf16(value);
  } else {
    static_cast<float*>(matrix)[at] = value;
  }
}

/// `matrix` packed as rows x columns, row-major, transposed if so asked.
std::vector<double> pack(const void* matrix, cudaDataType type, const Extent& extent,
                         cublasOperation_t transpose) {
  std::vector<double> packed(static_cast<std::size_t>(extent.rows) *
                             static_cast<std::size_t>(extent.columns));
  std::size_t next = 0;
  const bool straight = transpose == CUBLAS_OP_N;
  const int rows = straight ? extent.rows : extent.columns;
  const int columns = straight ? extent.columns : extent.rows;
  for (int row = 0; row < rows; ++row) {
    for (int column = 0; column < columns; ++column) {
      packed[next++] =
          load(matrix, type, straight ? index(extent, row, column) : index(extent, column, row));
    }
  }
  return packed;
}

template <class Note>
void note_columns(const Extent& extent, cudaDataType type, Note note) {
  for (int column = 0; column < extent.columns && extent.rows > 0; ++column) {
    note(index(extent, 0, column) * size_of_type(type),
         static_cast<std::size_t>(extent.rows) * size_of_type(type));
  }
}

void note_accesses(const Gemm& gemm, const GemmMatrices& matrices) {
  const auto read = [](const void* base) {
    return [base](std::size_t offset, std::size_t size) {
      sanitizer::note_read(static_cast<const std::byte*>(base) + offset, size);
    };
  };
  note_columns(extent_a(gemm), gemm.type_ab, read(matrices.a));
  note_columns(extent_b(gemm), gemm.type_ab, read(matrices.b));
  note_columns(extent_c(gemm), gemm.type_c, [&](std::size_t offset, std::size_t size) {
    sanitizer::note_write(static_cast<std::byte*>(matrices.c) + offset, size);
  });
}

}  // namespace

cublasStatus_t check(const Gemm& gemm) {
  const bool offered =
      (gemm.type_ab == CUDA_R_32F && gemm.type_c == CUDA_R_32F) ||
      (gemm.type_ab == CUDA_R_16BF && (gemm.type_c == CUDA_R_32F || gemm.type_c == CUDA_R_16BF));
  if (!offered) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (gemm.m < 0 || gemm.n < 0 || gemm.k < 0) return CUBLAS_STATUS_INVALID_VALUE;
  for (const Extent& extent : {extent_a(gemm), extent_b(gemm), extent_c(gemm)}) {
    if (extent.ld < std::max(1, extent.rows)) return CUBLAS_STATUS_INVALID_VALUE;
  }
  return CUBLAS_STATUS_SUCCESS;
}

std::optional<std::string> check_addresses(const Gemm& gemm, const GemmMatrices& matrices,
                                           int device) {
  struct Operand {
    const char* name;
    const void* base;
    std::size_t bytes;
  };
  for (const Operand& operand : {Operand{"A", matrices.a, bytes_of(extent_a(gemm), gemm.type_ab)},
                                 Operand{"B", matrices.b, bytes_of(extent_b(gemm), gemm.type_ab)},
                                 Operand{"C", matrices.c, bytes_of(extent_c(gemm), gemm.type_c)}}) {
    if (operand.bytes != 0 && !memory_of(device).covers(operand.base, operand.bytes)) {
      return fmt::format("{} needs {} bytes in one allocation of device {} and is {}", operand.name,
                         operand.bytes, device, describe_address(operand.base));
    }
  }
  return std::nullopt;
}

void multiply(const Gemm& gemm, const GemmMatrices& matrices) {
  note_accesses(gemm, matrices);
  const std::vector<double> a =
      pack(matrices.a, gemm.type_ab, extent_a(gemm), gemm.transpose_a);  // [m, k]
  const std::vector<double> b =
      pack(matrices.b, gemm.type_ab, extent_b(gemm), gemm.transpose_b);  // [k, n]
  const Extent c = extent_c(gemm);
  std::vector<double> sums(static_cast<std::size_t>(gemm.n));
  for (int row = 0; row < gemm.m; ++row) {
    std::fill(sums.begin(), sums.end(), 0.0);
    for (int inner = 0; inner < gemm.k; ++inner) {
      const double factor = a[static_cast<std::size_t>(row) * static_cast<std::size_t>(gemm.k) +
                              static_cast<std::size_t>(inner)];
      const double* terms = b.data() + static_cast<std::size_t>(inner) * sums.size();
      for (std::size_t column = 0; column < sums.size(); ++column) {
        sums[column] += factor * terms[column];
      }
    }
    for (int column = 0; column < gemm.n; ++column) {
      const std::size_t at = index(c, row, column);
      double value = static_cast<double>(gemm.alpha) * sums[static_cast<std::size_t>(column)];
      if (gemm.beta != 0.0F) {
        value += static_cast<double>(gemm.beta) * load(matrices.c, gemm.type_c, at);
      }
      store(matrices.c, gemm.type_c, at, static_cast<float>(value));
    }
  }
}

}  // namespace softmoe::gpu_emulation
