#pragma once

#include <span>
#include <vector>

#include "runtime/device/host_copy.h"
#include "runtime/device/workspace.h"

namespace softmoe::bench {

/// Device memory of its own with these numbers. Waits for the device.
template <class T>
[[nodiscard]] DeviceBuffer uploaded(const std::vector<T>& values, Workspace& work) {
  DeviceBuffer buffer(work.compute.device(),
                      Bytes(static_cast<std::int64_t>(values.size() * sizeof(T))));
  upload(std::span<const T>(values), buffer.as<T>(), work.compute);
  work.compute.synchronize();
  return buffer;
}

}  // namespace softmoe::bench
