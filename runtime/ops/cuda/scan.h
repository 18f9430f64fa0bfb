#pragma once

#include <cstdint>

#include "runtime/device/arena.h"
#include "runtime/device/stream.h"
#include "runtime/device/view.h"

namespace softmoe::ops::cuda {

/// values_N[i] := values_N[0] + ... + values_N[i], for any N. Nothing waits for another block:
/// tiles, then the sums of tiles, then their offsets.
/// @param scratch  released before return
void inclusive_scan(View<std::int32_t> values_N, Arena& scratch, Stream& stream);

}  // namespace softmoe::ops::cuda
