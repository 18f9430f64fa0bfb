#include "runtime/device/cuda/blas_handles.h"

#include <algorithm>

#include "runtime/device/cuda/check_cublas.h"
#include "runtime/device/cuda/check_cuda.h"

namespace softmoe::cuda {

/// A stream of its own beside another one.
class StreamBlas::Branch {
 public:
  Branch() {
    try {
      constexpr int kPriority = 0;
      check_cuda(cudaStreamCreateWithPriority(&stream_, cudaStreamNonBlocking, kPriority),
                 "cudaStreamCreateWithPriority");
      for (cudaEvent_t* const event : {&forked_, &done_}) {
        check_cuda(cudaEventCreateWithFlags(event, cudaEventDisableTiming),
                   "cudaEventCreateWithFlags");
      }
      blas_ = std::make_unique<StreamBlas>(stream_);
    } catch (...) {
      release();
      throw;
    }
  }
  ~Branch() {
    blas_.reset();
    release();
  }
  Branch(const Branch&) = delete;
  Branch& operator=(const Branch&) = delete;

  StreamBlas& fork_from(cudaStream_t stream) {
    pass(stream, forked_, stream_);
    return *blas_;
  }
  void join_to(cudaStream_t stream) { pass(stream_, done_, stream); }

 private:
  /// `later` goes on when `earlier` has come where it stands now.
  static void pass(cudaStream_t earlier, cudaEvent_t event, cudaStream_t later) {
    check_cuda(cudaEventRecord(event, earlier), "cudaEventRecord");
    check_cuda(cudaStreamWaitEvent(later, event, 0), "cudaStreamWaitEvent");
  }
  void release() noexcept {
    for (cudaEvent_t const event : {forked_, done_})
      if (event != nullptr) (void)cudaEventDestroy(event);
    if (stream_ != nullptr) (void)cudaStreamDestroy(stream_);
  }

  cudaStream_t stream_ = nullptr;
  cudaEvent_t forked_ = nullptr;
  cudaEvent_t done_ = nullptr;
  std::unique_ptr<StreamBlas> blas_;
};

StreamBlas& StreamBlas::fork() {
  if (branch_ == nullptr) branch_ = std::make_unique<Branch>();
  return branch_->fork_from(stream_);
}

void StreamBlas::join() {
  branch_->join_to(stream_);
}

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
