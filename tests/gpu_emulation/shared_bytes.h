#pragma once

// Dynamic shared memory: one piece of the process, since one block runs at a time.

#include <cstddef>
#include <optional>

namespace softmoe::gpu_emulation {

/// What a launch may ask for.
inline constexpr std::size_t kMaxSharedBytes = 48 * 1024;

/// Shared memory as a block finds it: `size` bytes of garbage, and a fence behind them.
void prepare_shared_bytes(std::size_t size);

/// How far behind the end a block has written, if it has.
[[nodiscard]] std::optional<std::size_t> find_broken_shared_bytes(std::size_t size);

}  // namespace softmoe::gpu_emulation
