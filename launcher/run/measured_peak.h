#pragma once

#include "parallel/communicator.h"
#include "runtime/device/workspace.h"

namespace softmoe::launcher {

/// Floating-point operations per second of large fp32 matrix products, all ranks at once: what a
/// step is compared with. Takes a few tenths of a second. Collective.
[[nodiscard]] double measure_peak_flops(parallel::Communicator& world, Workspace& work);

}  // namespace softmoe::launcher
