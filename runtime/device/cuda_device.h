#pragma once

// CUDA devices, in builds that have them. Without (no_cuda.cpp) there are none, and they say so.

#include <memory>
#include <string>

#include "runtime/device/device.h"

namespace softmoe {

/// What a process finds when it looks for GPUs.
struct CudaAvailability {
  int num_devices = 0;
  std::string reason;  ///< why there are none, in words; empty if there are some
};

/// Asks the CUDA runtime. A machine without a driver is no error: it has no device.
[[nodiscard]] CudaAvailability cuda_availability();

/// The device of a rank: number local_rank modulo the devices that this process sees, so that both
/// launchers that show a rank all GPUs and those that show it one work.
/// @throws DeviceError saying why if there is no device, or naming the CUDA call that failed.
[[nodiscard]] std::unique_ptr<Device> make_cuda_device(LocalRank local_rank);

}  // namespace softmoe
