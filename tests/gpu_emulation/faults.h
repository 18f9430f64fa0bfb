#pragma once

#include <string>

#include "tests/gpu_emulation/emulation.h"

namespace softmoe::gpu_emulation {

/// Keeps a fault until take_faults(). Any thread.
void report(FaultKind kind, std::string text);

}  // namespace softmoe::gpu_emulation
