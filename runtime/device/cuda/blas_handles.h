#pragma once

// cuBLAS of one device. For files of cuda/ folders.

#include <cublas_v2.h>
#include <cuda_runtime.h>

#include <memory>
#include <vector>

#include "runtime/base/strong.h"
#include "runtime/device/cuda/group_arrays.h"

namespace softmoe::cuda {

/// cuBLAS as one stream uses it: a handle bound to the stream, with a workspace that no other
/// stream uses. With it, equal calls in equal order give equal bits.
///
/// Sums are in f32: tensor cores do not shorten f32 inputs, and partial sums of bf16 products are
/// not rounded to bf16.
class StreamBlas {
 public:
  /// What NVIDIA recommends for sm_90 and later; a smaller one rules out fast kernels.
  static constexpr Bytes kWorkspace{std::int64_t{32} << 20};

  /// @throws DeviceError naming the call that failed.
  explicit StreamBlas(cudaStream_t stream);
  /// Waits for the stream, whose work may be using the workspace.
  ~StreamBlas();
  StreamBlas(const StreamBlas&) = delete;
  StreamBlas& operator=(const StreamBlas&) = delete;

  [[nodiscard]] cudaStream_t stream() const { return stream_; }
  [[nodiscard]] cublasHandle_t handle() const { return handle_; }
  /// Room for the next grouped call.
  [[nodiscard]] GroupArrays& group_arrays() { return group_arrays_; }

  /// Another stream, for products that do not fill the GPU alone: what is enqueued there begins
  /// where this stream stands now. join() must follow. Allocates only the first time.
  [[nodiscard]] StreamBlas& fork();
  /// This stream goes on when the other one is done.
  void join();

 private:
  class Branch;
  void release() noexcept;

  cudaStream_t stream_;
  cublasHandle_t handle_ = nullptr;
  void* workspace_ = nullptr;
  GroupArrays group_arrays_;
  std::unique_ptr<Branch> branch_;
};

/// One StreamBlas for each stream of a device, made when it is first asked for. Used by the host
/// thread of the device; destroyed before the device's last streams are.
class BlasHandles {
 public:
  /// cuBLAS of `stream`, valid until the stream is forgotten. Allocates only the first time.
  /// @throws DeviceError naming the call that failed.
  [[nodiscard]] StreamBlas& on(cudaStream_t stream);
  /// To be called before `stream` is destroyed: its handle would outlive it, and the next stream
  /// may have the same name. Nothing happens if the stream never used cuBLAS.
  void forget(cudaStream_t stream) noexcept;

 private:
  std::vector<std::unique_ptr<StreamBlas>> streams_;
};

}  // namespace softmoe::cuda
