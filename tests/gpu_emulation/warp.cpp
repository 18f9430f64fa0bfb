#include "tests/gpu_emulation/warp.h"

namespace softmoe::gpu_emulation {

int shuffle_source(const LaneCall& call, int lane) {
  const int width = call.width;
  const int first = lane & ~(width - 1);
  const int inside = lane & (width - 1);
  switch (call.kind) {
    case Collective::shuffle:
      return first + (call.argument & (width - 1));
    case Collective::shuffle_up:
      return inside < call.argument ? lane : lane - call.argument;
    case Collective::shuffle_down:
      return inside + call.argument >= width ? lane : lane + call.argument;
    case Collective::shuffle_xor: {
      // Groups with lower lanes may be read, those with higher ones not.
      const int source = lane ^ call.argument;
      return source < first + width ? source : lane;
    }
    default:
      return lane;
  }
}

std::uint64_t vote(const std::array<LaneCall, 32>& calls, int lane) {
  const LaneCall& own = calls[static_cast<std::size_t>(lane)];
  unsigned nonzero = 0;
  unsigned equal = 0;
  for (unsigned other = 0; other < calls.size(); ++other) {
    if ((own.mask >> other & 1U) == 0) continue;
    if (calls[other].value != 0) nonzero |= 1U << other;
    if (calls[other].value == own.value) equal |= 1U << other;
  }
  switch (own.kind) {
    case Collective::ballot:
      return nonzero;
    case Collective::any:
      return nonzero != 0 ? 1 : 0;
    case Collective::all:
      return nonzero == own.mask ? 1 : 0;
    case Collective::match_any:
      return equal;
    default:
      return 0;
  }
}

const char* name_of(Collective kind) {
  switch (kind) {
    case Collective::sync:
      return "__syncwarp";
    case Collective::shuffle:
      return "__shfl_sync";
    case Collective::shuffle_up:
      return "__shfl_up_sync";
    case Collective::shuffle_down:
      return "__shfl_down_sync";
    case Collective::shuffle_xor:
      return "__shfl_xor_sync";
    case Collective::ballot:
      return "__ballot_sync";
    case Collective::any:
      return "__any_sync";
    case Collective::all:
      return "__all_sync";
    case Collective::match_any:
      return "__match_any_sync";
  }
  return "?";
}

}  // namespace softmoe::gpu_emulation
