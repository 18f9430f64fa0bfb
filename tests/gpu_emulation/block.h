#pragma once

// A block of CUDA threads: fibers of one host thread, switched at barriers and warp collectives to
// one that is drawn.

#include <cstddef>
#include <string>

#include "tests/gpu_emulation/include/gpu_emulation/launch.h"
#include "tests/gpu_emulation/random.h"

namespace softmoe::gpu_emulation {

struct Grid {
  unsigned num_blocks = 0;
  unsigned num_threads = 0;  ///< of a block
  std::size_t shared_bytes = 0;
};

inline constexpr unsigned kMaxThreads = 1024;
inline constexpr unsigned kWarpSize = 32;

/// Runs all blocks, one after the other, in an order drawn from `random`. Reports barriers and
/// collectives that cannot be passed, and writes past shared memory; the rest of the grid is left
/// out then. The caller holds the scheduler's lock: one grid at a time in the process.
void run_grid(const KernelCall& kernel, const Grid& grid, Random& random);

/// Where emulated device code is at present: "kernel scale, block 3, thread 65"; empty if none
/// runs.
[[nodiscard]] std::string running_thread();
/// Whether device code runs.
[[nodiscard]] bool runs_device_code();
/// Whether `address` is just below the stack of a CUDA thread.
[[nodiscard]] bool is_stack_overflow(const void* address);

}  // namespace softmoe::gpu_emulation
