#pragma once

// The state of the threads of a grid and of a block.

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "tests/gpu_emulation/fibers.h"
#include "tests/gpu_emulation/include/gpu_emulation/collectives.h"
#include "tests/gpu_emulation/sanitizer.h"

namespace softmoe::gpu_emulation {

enum class State : std::uint8_t { runnable, at_barrier, at_collective, ended };

/// A CUDA thread; its fiber serves thread after thread.
struct CudaThread {
  CudaThread(std::byte* stack, std::size_t size, Fiber::Body body)
      : fiber(stack, size, body, this) {}

  Fiber fiber;
  unsigned index = 0;  ///< in its block
  State state = State::ended;
  bool begun = false;  ///< of the present block
  LaneCall call{};
  std::uint64_t result = 0;
  unsigned num_syncs = 0;  ///< __syncwarp of which it was the first lane
};

/// Before all threads of a grid, and after them. New ones for every grid: what comes after one grid
/// is not after another.
struct GridOrder {
  sanitizer::OrderPoint begin = 0;
  sanitizer::OrderPoint end = 0;
};

/// The same for what the threads of one block do together. Two of each, used in turn: who is late
/// at one must not come after what others do before the next.
struct BlockOrder {
  explicit BlockOrder(unsigned num_threads) : syncs(num_threads) {}

  std::array<sanitizer::OrderPoint, 2> barriers{};
  std::vector<std::array<sanitizer::OrderPoint, 2>> syncs;  ///< of the first lane of a __syncwarp
};

}  // namespace softmoe::gpu_emulation
