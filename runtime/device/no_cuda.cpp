// Chosen by CMake where the build has no CUDA.

#include "runtime/base/errors.h"
#include "runtime/device/cuda_device.h"

namespace softmoe {

CudaAvailability cuda_availability() {
  return {.num_devices = 0, .reason = "this program was built without CUDA (CMake preset cuda)"};
}

std::unique_ptr<Device> make_cuda_device(LocalRank /*local_rank*/) {
  throw DeviceError("no GPU: " + cuda_availability().reason);
}

}  // namespace softmoe
