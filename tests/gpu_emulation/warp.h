#pragma once

// What warp collectives compute, apart from how lanes wait for each other.

#include <array>
#include <cstdint>
#include <optional>

#include "tests/gpu_emulation/include/gpu_emulation/collectives.h"

namespace softmoe::gpu_emulation {

/// The lane that `lane` reads in a shuffle, as in CUDA's Programming Guide: groups of `width`
/// lanes, a lane that would read outside its group keeps its own value.
[[nodiscard]] int shuffle_source(const LaneCall& call, int lane);

/// What votes and matches give to `lane`; `calls` of lanes not in the mask are not looked at.
[[nodiscard]] std::uint64_t vote(const std::array<LaneCall, 32>& calls, int lane);

[[nodiscard]] const char* name_of(Collective kind);

}  // namespace softmoe::gpu_emulation
