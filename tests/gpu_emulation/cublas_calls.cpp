#include <fmt/format.h>

#include <memory>
#include <vector>

#include "tests/gpu_emulation/call_errors.h"
#include "tests/gpu_emulation/device_memory.h"
#include "tests/gpu_emulation/faults.h"
#include "tests/gpu_emulation/gemm.h"
#include "tests/gpu_emulation/sanitizer.h"
#include "tests/gpu_emulation/scheduler.h"

struct cublasContext {
  cudaStream_t stream = nullptr;
};

namespace softmoe::gpu_emulation {
namespace {

void multiply_checked(const Gemm& gemm, const GemmMatrices& matrices, int device) {
  if (const auto problem = check_addresses(gemm, matrices, device)) {
    report(FaultKind::library,
           fmt::format("a product of {} x {} x {}: {}", gemm.m, gemm.n, gemm.k, *problem));
    return;
  }
  multiply(gemm, matrices);
}

class GemmItem final : public WorkItem {
 public:
  GemmItem(const Gemm& gemm, const GemmMatrices& matrices, int device)
      : gemm_(gemm), matrices_(matrices), device_(device) {}

  void run() override { multiply_checked(gemm_, matrices_, device_); }
  std::string describe() const override { return "cublasGemmEx"; }

 private:
  Gemm gemm_;
  GemmMatrices matrices_;
  int device_;
};

/// Products whose addresses are on the device, read when they run.
struct GroupedGemm {
  std::vector<Gemm> products;  ///< one a matrix
  const void* const* a;
  const void* const* b;
  void* const* c;
};

class GroupedGemmItem final : public WorkItem {
 public:
  GroupedGemmItem(GroupedGemm grouped, int device)
      : grouped_(std::move(grouped)), device_(device) {}

  void run() override {
    const std::size_t bytes = grouped_.products.size() * sizeof(void*);
    for (const void* array :
         {static_cast<const void*>(grouped_.a), static_cast<const void*>(grouped_.b),
          static_cast<const void*>(grouped_.c)}) {
      if (!memory_of(device_).covers(array, bytes)) {
        report(FaultKind::library,
               "cublasGemmGroupedBatchedEx: an array of addresses is " + describe_address(array));
        return;
      }
      sanitizer::note_read(array, bytes);
    }
    for (std::size_t i = 0; i < grouped_.products.size(); ++i) {
      const GemmMatrices matrices{grouped_.a[i], grouped_.b[i], grouped_.c[i]};
      if (grouped_.products[i].type_ab == CUDA_R_16BF) check_alignment(matrices);
      multiply_checked(grouped_.products[i], matrices, device_);
    }
  }
  std::string describe() const override { return "cublasGemmGroupedBatchedEx"; }

 private:
  // The kernels of a grouped product are chosen before the addresses are known.
  static void check_alignment(const GemmMatrices& matrices) {
    constexpr std::uintptr_t kAlignment = 16;
    for (const void* matrix : {matrices.a, matrices.b, static_cast<const void*>(matrices.c)}) {
      if (reinterpret_cast<std::uintptr_t>(matrix) % kAlignment == 0) continue;
      report(FaultKind::library,
             fmt::format("cublasGemmGroupedBatchedEx: a bf16 matrix at {} is not aligned to {} "
                         "bytes",
                         matrix, kAlignment));
    }
  }

  GroupedGemm grouped_;
  int device_;
};

cublasStatus_t check_handle(cublasHandle_t handle) {
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  return check_stream(handle->stream, "a cuBLAS product") == cudaSuccess
             ? CUBLAS_STATUS_SUCCESS
             : CUBLAS_STATUS_INVALID_VALUE;
}

}  // namespace
}  // namespace softmoe::gpu_emulation

using softmoe::gpu_emulation::Gemm;
using softmoe::gpu_emulation::GemmItem;
using softmoe::gpu_emulation::GroupedGemm;
using softmoe::gpu_emulation::GroupedGemmItem;
using softmoe::gpu_emulation::scheduler;

extern "C" {

cublasStatus_t cublasCreate(cublasHandle_t* handle) {
  *handle = new cublasContext();
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasDestroy(cublasHandle_t handle) {
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetStream(cublasHandle_t handle, cudaStream_t stream) {
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  handle->stream = stream;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetWorkspace(cublasHandle_t handle, void*, std::size_t) {
  return handle == nullptr ? CUBLAS_STATUS_NOT_INITIALIZED : CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t) {
  return handle == nullptr ? CUBLAS_STATUS_NOT_INITIALIZED : CUBLAS_STATUS_SUCCESS;
}

const char* cublasGetStatusString(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS:
      return "success";
    case CUBLAS_STATUS_NOT_INITIALIZED:
      return "the library was not initialized";
    case CUBLAS_STATUS_INVALID_VALUE:
      return "an unsupported value or parameter was passed to the function";
    case CUBLAS_STATUS_NOT_SUPPORTED:
      return "the functionality requested is not supported";
  }
  return "unknown";
}

cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t transa,
                            cublasOperation_t transb, int m, int n, int k, const void* alpha,
                            const void* A, cudaDataType Atype, int lda, const void* B,
                            cudaDataType Btype, int ldb, const void* beta, void* C,
                            cudaDataType Ctype, int ldc, cublasComputeType_t computeType,
                            cublasGemmAlgo_t algo) {
  const cublasStatus_t status = softmoe::gpu_emulation::check_handle(handle);
  if (status != CUBLAS_STATUS_SUCCESS) return status;
  if (Atype != Btype || computeType != CUBLAS_COMPUTE_32F || algo != CUBLAS_GEMM_DEFAULT) {
    return CUBLAS_STATUS_NOT_SUPPORTED;
  }
  const Gemm gemm{transa,
                  transb,
                  m,
                  n,
                  k,
                  *static_cast<const float*>(alpha),
                  *static_cast<const float*>(beta),
                  lda,
                  ldb,
                  ldc,
                  Atype,
                  Ctype};
  const cublasStatus_t sizes = softmoe::gpu_emulation::check(gemm);
  if (sizes != CUBLAS_STATUS_SUCCESS) return sizes;
  scheduler().enqueue(*handle->stream, std::make_unique<GemmItem>(
                                           gemm, softmoe::gpu_emulation::GemmMatrices{A, B, C},
                                           handle->stream->device));
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasGemmGroupedBatchedEx(
    cublasHandle_t handle, const cublasOperation_t transa_array[],
    const cublasOperation_t transb_array[], const int m_array[], const int n_array[],
    const int k_array[], const void* alpha_array, const void* const Aarray[], cudaDataType_t Atype,
    const int lda_array[], const void* const Barray[], cudaDataType_t Btype, const int ldb_array[],
    const void* beta_array, void* const Carray[], cudaDataType_t Ctype, const int ldc_array[],
    int group_count, const int group_size[], cublasComputeType_t computeType) {
  const cublasStatus_t status = softmoe::gpu_emulation::check_handle(handle);
  if (status != CUBLAS_STATUS_SUCCESS) return status;
  if (Atype != Btype || computeType != CUBLAS_COMPUTE_32F) return CUBLAS_STATUS_NOT_SUPPORTED;
  GroupedGemm grouped{{}, Aarray, Barray, Carray};
  for (int i = 0; i < group_count; ++i) {
    const Gemm gemm{transa_array[i],
                    transb_array[i],
                    m_array[i],
                    n_array[i],
                    k_array[i],
                    static_cast<const float*>(alpha_array)[i],
                    static_cast<const float*>(beta_array)[i],
                    lda_array[i],
                    ldb_array[i],
                    ldc_array[i],
                    Atype,
                    Ctype};
    const cublasStatus_t sizes = softmoe::gpu_emulation::check(gemm);
    if (sizes != CUBLAS_STATUS_SUCCESS) return sizes;
    grouped.products.insert(grouped.products.end(), static_cast<std::size_t>(group_size[i]), gemm);
  }
  const int device = handle->stream->device;
  scheduler().enqueue(*handle->stream,
                      std::make_unique<GroupedGemmItem>(std::move(grouped), device));
  return CUBLAS_STATUS_SUCCESS;
}

}  // extern "C"
