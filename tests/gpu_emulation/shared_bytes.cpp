#include "tests/gpu_emulation/shared_bytes.h"

#include <cstring>

#include "tests/gpu_emulation/fence.h"
#include "tests/gpu_emulation/sanitizer.h"

namespace softmoe::gpu_emulation {
namespace {

constexpr std::size_t kFence = 1024;
constexpr std::size_t kPage = 4096;
// Whole pages, so that they can be mapped afresh.
constexpr std::size_t kRoom = kMaxSharedBytes + kPage;
static_assert(kFence <= kPage && kRoom % kPage == 0);

}  // namespace
}  // namespace softmoe::gpu_emulation

// The name is that of runtime/device/cuda/shared_memory.h.
alignas(softmoe::gpu_emulation::kPage) unsigned char softmoe_shared_bytes
    [softmoe::gpu_emulation::kRoom];

namespace softmoe::gpu_emulation {

void prepare_shared_bytes(std::size_t size) {
  auto* shared = reinterpret_cast<std::byte*>(softmoe_shared_bytes);
  sanitizer::allow(shared, kRoom);
  sanitizer::forget(shared, kRoom);
  const sanitizer::IgnoreAccesses ignore;
  std::memset(shared, 0xff, size);
  build_fence(shared + size, kFence);
  sanitizer::forbid(shared + size, kRoom - size);
}

std::optional<std::size_t> find_broken_shared_bytes(std::size_t size) {
  auto* shared = reinterpret_cast<std::byte*>(softmoe_shared_bytes);
  sanitizer::allow(shared, kRoom);
  const sanitizer::IgnoreAccesses ignore;
  return find_broken(shared + size, kFence);
}

}  // namespace softmoe::gpu_emulation
