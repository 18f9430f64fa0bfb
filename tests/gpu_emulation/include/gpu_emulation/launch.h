#pragma once

// How an emulated kernel starts.

#include <gpu_emulation/types.h>

#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

namespace softmoe::gpu_emulation {

/// A kernel and its arguments.
class KernelCall {
 public:
  virtual ~KernelCall() = default;
  /// One CUDA thread.
  virtual void call() const = 0;
  /// For its name.
  [[nodiscard]] virtual const void* address() const = 0;
};

cudaError_t launch(const cudaLaunchConfig_t& config, std::unique_ptr<KernelCall> kernel);

template <class... Parameters>
class BoundKernel final : public KernelCall {
 public:
  // CUDA hands parameters over as bytes, at most 4 KiB of them.
  static_assert((std::is_trivially_copyable_v<Parameters> && ...));
  static_assert((sizeof(Parameters) + ... + 0) <= 4096);

  BoundKernel(void (*kernel)(Parameters...), Parameters... arguments)
      : kernel_(kernel), arguments_(arguments...) {}

  void call() const override { std::apply(kernel_, arguments_); }
  [[nodiscard]] const void* address() const override {
    return reinterpret_cast<const void*>(kernel_);
  }

 private:
  void (*kernel_)(Parameters...);
  std::tuple<Parameters...> arguments_;
};

}  // namespace softmoe::gpu_emulation

template <typename... ExpTypes, typename... ActTypes>
inline cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(ExpTypes...),
                                      ActTypes&&... args) {
  return softmoe::gpu_emulation::launch(
      *config, std::make_unique<softmoe::gpu_emulation::BoundKernel<ExpTypes...>>(
                   kernel, std::forward<ActTypes>(args)...));
}
