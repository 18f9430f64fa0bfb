#include "tests/gpu_emulation/device_memory.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include "tests/gpu_emulation/emulation.h"
#include "tests/gpu_emulation/faults.h"
#include "tests/gpu_emulation/fence.h"
#include "tests/gpu_emulation/sanitizer.h"

namespace softmoe::gpu_emulation {
namespace {

constexpr std::size_t kRange = std::size_t{64} << 30;
constexpr std::size_t kPage = 4096;
constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kMinFence = 256;
constexpr int kFresh = 0xff;  // NaN as f32, bf16 and f64

std::size_t round_up(std::size_t size, std::size_t unit) {
  return (size + unit - 1) / unit * unit;
}

std::size_t pages_of(std::size_t size) {
  return round_up(size + kMinFence, kPage);
}

}  // namespace

DeviceMemory::DeviceMemory(int device) : device_(device) {
  void* range = MAP_FAILED;
  {
    // Whoever asks first makes the ranges of all devices: that is no write to them.
    const sanitizer::IgnoreAccesses ignore;
    range = mmap(nullptr, kRange, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  }
  if (range == MAP_FAILED) throw std::bad_alloc();
  begin_ = static_cast<std::byte*>(range);
  // Threads that start with other rights, or did before, have none to a key that they never asked
  // for; those that this thread starts have its own.
  key_ = pkey_alloc(0, PKEY_DISABLE_ACCESS);
}

void* DeviceMemory::allocate(std::size_t size) {
  const std::size_t offset = round_up(used_, size >= kHugePage ? kHugePage : kPage);
  const std::size_t pages = pages_of(size);
  if (pages < size || pages + kPage > kRange || offset > kRange - pages - kPage) return nullptr;
  std::byte* memory = begin_ + offset;
  if (mprotect(memory, pages, PROT_READ | PROT_WRITE) != 0) return nullptr;
  // Large pages are fewer to fill and to protect.
  if (size >= kHugePage) madvise(memory, pages, MADV_HUGEPAGE);
  used_ = offset + pages + kPage;
  {
    const sanitizer::IgnoreAccesses ignore;
    std::memset(memory, kFresh, size);
    build_fence(memory + size, pages - size);
  }
  sanitizer::forbid(memory + size, pages - size);
  live_[memory] = {memory, size, num_allocations_made_++};
  if (key_ >= 0) {
    pkey_mprotect(memory, pages, PROT_READ | PROT_WRITE, key_);
  } else {
    mprotect(memory, pages, PROT_NONE);
  }
  return memory;
}

bool DeviceMemory::deallocate(void* memory) {
  const auto found = live_.find(static_cast<std::byte*>(memory));
  if (found == live_.end()) return false;
  const std::size_t pages = pages_of(found->second.size);
  sanitizer::allow(memory, pages);
  madvise(memory, pages, MADV_DONTNEED);
  mprotect(memory, pages, PROT_NONE);
  live_.erase(found);
  return true;
}

bool DeviceMemory::contains(const void* address) const {
  const auto* byte = static_cast<const std::byte*>(address);
  return byte >= begin_ && byte < begin_ + kRange;
}

std::optional<DeviceMemory::Allocation> DeviceMemory::find(const void* address) const {
  auto* byte = static_cast<std::byte*>(const_cast<void*>(address));
  auto after = live_.upper_bound(byte);
  if (after == live_.begin()) return std::nullopt;
  const Allocation& candidate = std::prev(after)->second;
  if (byte >= candidate.begin + pages_of(candidate.size) + kPage) return std::nullopt;
  return candidate;
}

bool DeviceMemory::covers(const void* memory, std::size_t size) const {
  const std::optional<Allocation> allocation = find(memory);
  if (!allocation) return false;
  const auto offset =
      static_cast<std::size_t>(static_cast<const std::byte*>(memory) - allocation->begin);
  return offset <= allocation->size && size <= allocation->size - offset;
}

void DeviceMemory::check_fences(const std::function<std::string()>& culprit) {
  const sanitizer::IgnoreAccesses ignore;
  for (const auto& [memory, allocation] : live_) {
    std::byte* fence = memory + allocation.size;
    const std::size_t fence_size = pages_of(allocation.size) - allocation.size;
    sanitizer::allow(fence, fence_size);
    if (const auto broken = find_broken(fence, fence_size)) {
      report(
          FaultKind::device_memory,
          fmt::format("{} wrote {} bytes behind the end of allocation {} of device {} ({} bytes)",
                      culprit(), *broken, allocation.number, device_, allocation.size));
      build_fence(fence, fence_size);
    }
    sanitizer::forbid(fence, fence_size);
  }
}

void DeviceMemory::open() {
  if (key_ >= 0) {
    if (times_opened_++ == 0) pkey_set(key_, 0);
  } else if (times_opened_++ == 0) {
    protect(PROT_READ | PROT_WRITE);
  }
}

void DeviceMemory::close() {
  if (--times_opened_ != 0) return;
  if (key_ >= 0) {
    pkey_set(key_, PKEY_DISABLE_ACCESS);
  } else {
    protect(PROT_NONE);
  }
}

void DeviceMemory::protect(int protection) {
  for (const auto& [memory, allocation] : live_) {
    mprotect(memory, pages_of(allocation.size), protection);
  }
}

DeviceMemory& memory_of(int device) {
  // Never destroyed: objects with static life may still free memory.
  static auto* memories = new std::vector<std::unique_ptr<DeviceMemory>>([] {
    std::vector<std::unique_ptr<DeviceMemory>> all;
    for (int d = 0; d < kNumDevices; ++d) all.push_back(std::make_unique<DeviceMemory>(d));
    return all;
  }());
  return *memories->at(static_cast<std::size_t>(device));
}

std::optional<int> device_of(const void* address) {
  for (int device = 0; device < kNumDevices; ++device) {
    if (memory_of(device).contains(address)) return device;
  }
  return std::nullopt;
}

std::string describe_address(const void* address) {
  const std::optional<int> device = device_of(address);
  if (!device) return fmt::format("host memory at {}", address);
  const auto allocation = memory_of(*device).find(address);
  if (!allocation) return fmt::format("free memory of device {} at {}", *device, address);
  return fmt::format("allocation {} of device {} ({} bytes), offset {}", allocation->number,
                     *device, allocation->size,
                     static_cast<const std::byte*>(address) - allocation->begin);
}

}  // namespace softmoe::gpu_emulation
