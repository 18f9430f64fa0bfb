#pragma once

// Known bytes behind memory: who writes past its end is seen, who reads there gets NaN as f32 and
// bf16.

#include <cstddef>
#include <optional>

namespace softmoe::gpu_emulation {

/// @param size at most kMaxFence.
void build_fence(std::byte* begin, std::size_t size);
/// Offset of the first byte that was written, if any.
[[nodiscard]] std::optional<std::size_t> find_broken(const std::byte* begin, std::size_t size);

inline constexpr std::size_t kMaxFence = 8192;

}  // namespace softmoe::gpu_emulation
