// Compiled twice: against the emulation's headers, and where there is a toolkit against CUDA's own.
// What holds in both is why the sources mean the same to both. NCCL's part: nccl_signatures.h.

#include <cublas_v2.h>
#include <cuda_runtime.h>

#include <cstddef>
#include <type_traits>

namespace {

// Whether there is a function of exactly this type; &name picks it among overloads.
template <class Type>
consteval bool is(Type*) {
  return true;
}

using Size = std::size_t;
using Error = cudaError_t;
using Stream = cudaStream_t;
using Event = cudaEvent_t;

static_assert(is<Error(int*)>(&cudaGetDeviceCount));
static_assert(is<Error(int*)>(&cudaGetDevice));
static_assert(is<Error(int)>(&cudaSetDevice));
static_assert(is<Error(int*, int*)>(&cudaDeviceGetStreamPriorityRange));
static_assert(is<const char*(Error)>(&cudaGetErrorName));
static_assert(is<const char*(Error)>(&cudaGetErrorString));
static_assert(is<Error()>(&cudaGetLastError));
static_assert(is<Error(void**, Size)>(&cudaMalloc));
static_assert(is<Error(void*)>(&cudaFree));
static_assert(is<Error(void**, Size)>(&cudaMallocHost));
static_assert(is<Error(void*)>(&cudaFreeHost));
static_assert(is<Error(void*, const void*, Size, cudaMemcpyKind, Stream)>(&cudaMemcpyAsync));
static_assert(is<Error(void*, int, Size, Stream)>(&cudaMemsetAsync));
static_assert(is<Error(Stream*, unsigned, int)>(&cudaStreamCreateWithPriority));
static_assert(is<Error(Stream)>(&cudaStreamDestroy));
static_assert(is<Error(Stream)>(&cudaStreamSynchronize));
static_assert(is<Error(Stream, Event, unsigned)>(&cudaStreamWaitEvent));
static_assert(is<Error(Event*, unsigned)>(&cudaEventCreateWithFlags));
static_assert(is<Error(Event)>(&cudaEventDestroy));
static_assert(is<Error(Event, Stream)>(&cudaEventRecord));
static_assert(is<Error(Event)>(&cudaEventSynchronize));
static_assert(is<Error(Event)>(&cudaEventQuery));
static_assert(is<Error(const cudaLaunchConfig_t*, void (*)(float, int*), float&&, int*&)>(
    &cudaLaunchKernelEx));

static_assert(std::is_same_v<cudaError_t, cudaError>);
static_assert(std::is_same_v<cudaStream_t, CUstream_st*>);
static_assert(std::is_same_v<cudaEvent_t, CUevent_st*>);
static_assert(std::is_same_v<cudaDataType, cudaDataType_t>);

static_assert(cudaSuccess == 0 && cudaErrorInvalidValue == 1 && cudaErrorMemoryAllocation == 2);
static_assert(cudaErrorInvalidConfiguration == 9 && cudaErrorInvalidMemcpyDirection == 21);
static_assert(cudaErrorInvalidDevice == 101 && cudaErrorInvalidResourceHandle == 400);
static_assert(cudaErrorNotReady == 600 && cudaErrorLaunchFailure == 719);
static_assert(cudaMemcpyHostToHost == 0 && cudaMemcpyHostToDevice == 1);
static_assert(cudaMemcpyDeviceToHost == 2 && cudaMemcpyDeviceToDevice == 3);
static_assert(cudaStreamNonBlocking == 0x01 && cudaEventDisableTiming == 0x02);
static_assert(CUDA_R_32F == 0 && CUDA_R_64F == 1 && CUDA_R_16BF == 14);

static_assert(sizeof(dim3) == 12 && offsetof(dim3, x) == 0 && offsetof(dim3, z) == 8);
static_assert(dim3().x == 1 && dim3(2).x == 2 && dim3(2).y == 1 && dim3(2).z == 1);
static_assert(sizeof(uint3) == 12 && std::is_same_v<decltype(uint3::x), unsigned>);
static_assert(sizeof(float2) == 8 && alignof(float2) == 8);
static_assert(sizeof(float4) == 16 && alignof(float4) == 16 && offsetof(float4, w) == 12);
static_assert(sizeof(int2) == 8 && alignof(int2) == 8);
static_assert(sizeof(int4) == 16 && alignof(int4) == 16 && offsetof(int4, w) == 12);
static_assert(sizeof(uint2) == 8 && alignof(uint2) == 8);
static_assert(sizeof(uint4) == 16 && alignof(uint4) == 16);
static_assert(std::is_same_v<decltype(&make_float4), float4 (*)(float, float, float, float)>);
static_assert(std::is_same_v<decltype(&make_int4), int4 (*)(int, int, int, int)>);

static_assert(std::is_same_v<decltype(cudaLaunchConfig_t::gridDim), dim3>);
static_assert(std::is_same_v<decltype(cudaLaunchConfig_t::blockDim), dim3>);
static_assert(std::is_same_v<decltype(cudaLaunchConfig_t::dynamicSmemBytes), Size>);
static_assert(std::is_same_v<decltype(cudaLaunchConfig_t::stream), Stream>);
static_assert(std::is_same_v<decltype(cudaLaunchConfig_t::attrs), cudaLaunchAttribute*>);
static_assert(std::is_same_v<decltype(cudaLaunchConfig_t::numAttrs), unsigned>);
static_assert(sizeof(cudaLaunchConfig_t) == 56);

using Status = cublasStatus_t;
using Handle = cublasHandle_t;

static_assert(is<Status(Handle*)>(&cublasCreate));
static_assert(is<Status(Handle)>(&cublasDestroy));
static_assert(is<Status(Handle, Stream)>(&cublasSetStream));
static_assert(is<Status(Handle, void*, Size)>(&cublasSetWorkspace));
static_assert(is<Status(Handle, cublasMath_t)>(&cublasSetMathMode));
static_assert(is<const char*(Status)>(&cublasGetStatusString));
static_assert(
    is<Status(Handle, cublasOperation_t, cublasOperation_t, int, int, int, const void*, const void*,
              cudaDataType, int, const void*, cudaDataType, int, const void*, void*, cudaDataType,
              int, cublasComputeType_t, cublasGemmAlgo_t)>(&cublasGemmEx));
static_assert(is<Status(Handle, const cublasOperation_t*, const cublasOperation_t*, const int*,
                        const int*, const int*, const void*, const void* const*, cudaDataType_t,
                        const int*, const void* const*, cudaDataType_t, const int*, const void*,
                        void* const*, cudaDataType_t, const int*, int, const int*,
                        cublasComputeType_t)>(&cublasGemmGroupedBatchedEx));

static_assert(std::is_same_v<cublasHandle_t, cublasContext*>);
static_assert(CUBLAS_STATUS_SUCCESS == 0 && CUBLAS_STATUS_NOT_INITIALIZED == 1);
static_assert(CUBLAS_STATUS_INVALID_VALUE == 7 && CUBLAS_STATUS_NOT_SUPPORTED == 15);
static_assert(CUBLAS_OP_N == 0 && CUBLAS_OP_T == 1);
static_assert(CUBLAS_DEFAULT_MATH == 0 && CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION == 16);
static_assert(CUBLAS_COMPUTE_32F == 68 && CUBLAS_GEMM_DEFAULT == -1);

}  // namespace
