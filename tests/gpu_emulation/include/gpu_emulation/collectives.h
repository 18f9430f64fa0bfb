#pragma once

// What the threads of a block and the lanes of a warp do together. Called by kernel_code.h.

#include <cstdint>

namespace softmoe::gpu_emulation {

enum class Collective : std::uint8_t {
  sync,
  shuffle,
  shuffle_up,
  shuffle_down,
  shuffle_xor,
  ballot,
  any,
  all,
  match_any,
};

/// Returns when every thread of the block has called; all they did before is visible.
void meet_block();

/// What a lane brings to a collective of its warp.
struct LaneCall {
  Collective kind;
  unsigned mask;
  std::uint64_t value = 0;
  int argument = 0;  ///< source lane, distance or lane mask of a shuffle
  int width = 32;
};

/// Returns when every lane named in the mask has called, what the collective gives this lane.
[[nodiscard]] std::uint64_t meet_warp(const LaneCall& call);

}  // namespace softmoe::gpu_emulation
