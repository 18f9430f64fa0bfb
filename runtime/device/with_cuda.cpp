// Chosen by CMake where the build has CUDA.

#include "runtime/base/errors.h"
#include "runtime/device/cuda/cuda_device.h"
#include "runtime/device/cuda_device.h"

namespace softmoe {

CudaAvailability cuda_availability() {
  const cuda::Count found = cuda::count_devices();
  if (found.num_devices > 0) return {.num_devices = found.num_devices};
  return {.num_devices = 0,
          .reason = found.refusal.empty() ? "CUDA sees no device" : "CUDA says: " + found.refusal};
}

std::unique_ptr<Device> make_cuda_device(LocalRank local_rank) {
  const CudaAvailability available = cuda_availability();
  if (available.num_devices == 0) throw DeviceError("no GPU: " + available.reason);
  return std::make_unique<cuda::CudaDevice>(local_rank.value % available.num_devices);
}

}  // namespace softmoe
