#include <fmt/format.h>
#include <sys/mman.h>

#include <cstring>
#include <new>

#include "runtime/base/errors.h"
#include "runtime/device/device.h"
#include "runtime/device/schedule.h"

namespace softmoe {

namespace {

constexpr std::align_val_t kHostAlignment{64};

}  // namespace

CpuDevice::CpuDevice(Options options)
    : options_(options),
      workers_(options.num_threads),
      schedule_(options.deferred_seed ? std::make_unique<Schedule>(*options.deferred_seed)
                                      : nullptr) {
  require(options.backend != Backend::cuda, "a CpuDevice runs the backends cpu and reference");
}

CpuDevice::~CpuDevice() = default;

void* CpuDevice::allocate(Bytes size) {
  if (size.value == 0) return nullptr;
  // Address space is taken at once, pages on first touch: an arena may be generous.
  void* memory = mmap(nullptr, static_cast<std::size_t>(size.value), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    throw DeviceError(fmt::format("no address space for {} bytes of device memory: {}", size.value,
                                  std::strerror(errno)));
  }
  constexpr std::int64_t kHugePage = std::int64_t{2} << 20;
  if (size.value >= kHugePage) madvise(memory, static_cast<std::size_t>(size.value), MADV_HUGEPAGE);
  if (options_.poison) {
    std::memset(memory, static_cast<int>(*options_.poison), static_cast<std::size_t>(size.value));
  }
  return memory;
}

void CpuDevice::deallocate(void* memory, Bytes size) noexcept {
  if (memory != nullptr) munmap(memory, static_cast<std::size_t>(size.value));
}

void* CpuDevice::allocate_host(Bytes size) {
  try {
    return ::operator new(static_cast<std::size_t>(size.value), kHostAlignment);
  } catch (const std::bad_alloc&) {
    throw DeviceError(fmt::format("no {} bytes of host memory", size.value));
  }
}

void CpuDevice::deallocate_host(void* memory, Bytes /*size*/) noexcept {
  ::operator delete(memory, kHostAlignment);
}

}  // namespace softmoe
