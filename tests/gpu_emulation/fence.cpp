#include "tests/gpu_emulation/fence.h"

#include <array>
#include <cstring>

namespace softmoe::gpu_emulation {
namespace {

// The bytes of a fence that begins at an even address.
constexpr auto kPattern = [] {
  std::array<unsigned char, kMaxFence + 1> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = i % 2 == 0 ? 0xa5 : 0xff;
  return bytes;
}();

// A bf16 or f32 read at its natural alignment gets 0xff.. in its upper byte, a NaN.
const unsigned char* pattern_at(const std::byte* begin) {
  return kPattern.data() + reinterpret_cast<std::size_t>(begin) % 2;
}

}  // namespace

void build_fence(std::byte* begin, std::size_t size) {
  std::memcpy(begin, pattern_at(begin), size);
}

std::optional<std::size_t> find_broken(const std::byte* begin, std::size_t size) {
  const unsigned char* pattern = pattern_at(begin);
  if (std::memcmp(begin, pattern, size) == 0) return std::nullopt;
  std::size_t offset = 0;
  while (begin[offset] == std::byte{pattern[offset]}) ++offset;
  return offset;
}

}  // namespace softmoe::gpu_emulation
