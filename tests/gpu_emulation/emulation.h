#pragma once

// The emulated GPUs as tests see them: faults, seeds, patience. README.md says what is modelled.

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace softmoe::gpu_emulation {

/// Devices that every process has.
inline constexpr int kNumDevices = 8;

/// What went wrong in emulated work.
enum class FaultKind : std::uint8_t {
  barrier,          ///< a thread ended where others of its block wait
  warp_collective,  ///< masks, lanes or kinds of a shuffle or vote do not fit together
  shared_memory,    ///< written past what the launch asked for
  device_memory,    ///< written past an allocation, or freed twice
  copy,           ///< a copy's pointers are not what its direction says, or it leaves an allocation
  call,           ///< a call that CUDA would refuse, or one that is not emulated
  library,        ///< cuBLAS was handed nonsense
  communication,  ///< sends and receives that do not fit together
  deadlock,       ///< somebody waits for work that cannot start
  pending_work,   ///< a test ended with work that nobody waited for
};

struct Fault {
  FaultKind kind;
  std::string text;
};

[[nodiscard]] std::string_view name_of(FaultKind kind);

/// All faults of this process since the last call. Any thread.
[[nodiscard]] std::vector<Fault> take_faults();

/// Orders of work, blocks and threads drawn from here on are those of `seed`. At start it is the
/// environment's SOFTMOE_GPU_EMULATION_SEED, or 1.
void set_seed(std::uint64_t seed);

/// How long a waiting thread sees nothing that may run before that is a deadlock; 20 s at first.
void set_deadlock_patience(std::chrono::milliseconds patience);

/// Work that nobody waited for becomes a fault and is dropped.
void require_idle();

/// What this build checks besides the emulation's own faults.
enum class Checks : std::uint8_t {
  plain,      ///< nothing
  fibers,     ///< ThreadSanitizer: conflicting accesses that nothing orders
  addresses,  ///< AddressSanitizer and UBSan: bounds to the byte, alignment
};
[[nodiscard]] Checks checks();

}  // namespace softmoe::gpu_emulation
