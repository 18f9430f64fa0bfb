#include "runtime/device/cuda/blas_handles.h"

#include <algorithm>

#include "runtime/device/cuda/check_cublas.h"
#include "runtime/device/cuda/check_cuda.h"

namespace softmoe::cuda {

StreamBlas::StreamBlas(cudaStream_t stream) : stream_(stream) {
  try {
    check_cublas(cublasCreate(&handle_), "cublasCreate");
    // In this order: setting the stream takes the workspace away again.
    check_cublas(cublasSetStream(handle_, stream), "cublasSetStream");
    const auto size = static_cast<std::size_t>(kWorkspace.value);
    check_cuda(cudaMalloc(&workspace_, size), "cudaMalloc of the workspace of cuBLAS");
    check_cublas(cublasSetWorkspace(handle_, workspace_, size), "cublasSetWorkspace");
    check_cublas(cublasSetMathMode(handle_, CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION),
                 "cublasSetMathMode");
  } catch (...) {
    release();
    throw;
  }
}

StreamBlas::~StreamBlas() {
  (void)cudaStreamSynchronize(stream_);
  release();
}

void StreamBlas::release() noexcept {
  if (handle_ != nullptr) (void)cublasDestroy(handle_);
  (void)cudaFree(workspace_);
}

StreamBlas& BlasHandles::on(cudaStream_t stream) {
  for (const auto& known : streams_) {
    if (known->stream() == stream) return *known;
  }
  return *streams_.emplace_back(std::make_unique<StreamBlas>(stream));
}

void BlasHandles::forget(cudaStream_t stream) noexcept {
  std::erase_if(streams_, [stream](const auto& known) { return known->stream() == stream; });
}

}  // namespace softmoe::cuda
