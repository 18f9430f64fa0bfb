#pragma once

#include <memory>

#include "launcher/run/run_config.h"
#include "runtime/device/device.h"

namespace softmoe::launcher {

/// The device that a rank computes on. `runtime.backend: cuda` on a machine without a GPU is the
/// processor, and rank 0 says so once on standard error.
/// @throws ConfigError with the cure where there is a GPU: a whole model does not run on it yet.
[[nodiscard]] std::unique_ptr<Device> make_rank_device(const RuntimeConfig& config, bool is_root);

}  // namespace softmoe::launcher
