#include "launcher/run/rank_device.h"

#include <fmt/format.h>

#include "runtime/base/errors.h"
#include "runtime/device/cuda_device.h"

namespace softmoe::launcher {

std::unique_ptr<Device> make_rank_device(const RuntimeConfig& config, bool is_root) {
  Backend backend = config.backend;
  if (backend == Backend::cuda) {
    const CudaAvailability gpus = cuda_availability();
    if (gpus.num_devices > 0) {
      throw ConfigError(
          "runtime.backend is 'cuda', but only the MoE layer and RMSNorm have CUDA kernels so far "
          "(docs/gpu.md): set it to 'cpu' to train on the processor; './dev gpu' runs what there "
          "is on this GPU");
    }
    if (is_root) fmt::print(stderr, "no GPU, running on the processor: {}\n", gpus.reason);
    backend = Backend::cpu;
  }
  return std::make_unique<CpuDevice>(
      CpuDevice::Options{.backend = backend, .num_threads = config.threads});
}

}  // namespace softmoe::launcher
