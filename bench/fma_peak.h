#pragma once

#include "runtime/device/workers.h"

namespace softmoe::bench {

/// Floating-point operations per second of fused multiply-adds that touch no memory, all workers at
/// once: what no product can exceed. Takes about a fifth of a second.
[[nodiscard]] double measure_fma_peak(Workers& workers);

}  // namespace softmoe::bench
