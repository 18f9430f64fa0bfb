// Memory of devices, pinned memory, copies.

#include <fmt/format.h>

#include <cstdlib>
#include <cstring>
#include <set>

#include "tests/gpu_emulation/call_errors.h"
#include "tests/gpu_emulation/device_memory.h"
#include "tests/gpu_emulation/faults.h"
#include "tests/gpu_emulation/sanitizer.h"
#include "tests/gpu_emulation/scheduler.h"

namespace softmoe::gpu_emulation {
namespace {

class CopyItem final : public WorkItem {
 public:
  CopyItem(void* target, const void* source, std::size_t size)
      : target_(target), source_(source), size_(size) {}

  void run() override {
    sanitizer::note_read(source_, size_);
    sanitizer::note_write(target_, size_);
    std::memmove(target_, source_, size_);
  }
  std::string describe() const override { return fmt::format("a copy of {} bytes", size_); }

 private:
  void* target_;
  const void* source_;
  std::size_t size_;
};

class FillItem final : public WorkItem {
 public:
  FillItem(void* target, int value, std::size_t size)
      : target_(target), value_(value), size_(size) {}

  void run() override {
    sanitizer::note_write(target_, size_);
    std::memset(target_, value_, size_);
  }
  std::string describe() const override { return fmt::format("a fill of {} bytes", size_); }

 private:
  void* target_;
  int value_;
  std::size_t size_;
};

std::set<void*>& pinned() {
  static auto* instance = new std::set<void*>();
  return *instance;
}

/// What is wrong with one side of a copy; empty if nothing is.
std::string check_side(const char* side, const void* memory, std::size_t size,
                       std::optional<int> device) {
  return scheduler().locked([&]() -> std::string {
    if (!device) {
      if (!device_of(memory)) return {};
      return fmt::format("{} should be host memory and is {}", side, describe_address(memory));
    }
    if (memory_of(*device).covers(memory, size)) return {};
    return fmt::format("{} should be {} bytes in one allocation of device {} and is {}", side, size,
                       *device, describe_address(memory));
  });
}

cudaError_t bad_copy(const char* call, const std::string& what) {
  report(FaultKind::copy, fmt::format("{}: {}", call, what));
  return answer(cudaErrorInvalidValue);
}

cudaError_t copy(void* target, const void* source, std::size_t size, cudaMemcpyKind kind,
                 cudaStream_t stream) {
  if (const cudaError_t code = check_stream(stream, "cudaMemcpyAsync"); code != cudaSuccess) {
    return code;
  }
  if (kind != cudaMemcpyHostToDevice && kind != cudaMemcpyDeviceToHost &&
      kind != cudaMemcpyDeviceToDevice) {
    return refuse(cudaErrorInvalidMemcpyDirection,
                  "cudaMemcpyAsync in a direction that is not emulated");
  }
  if (size == 0) return cudaSuccess;
  const std::optional<int> device = stream->device;
  const std::optional<int> host;
  const std::string problem =
      check_side("the target", target, size, kind == cudaMemcpyDeviceToHost ? host : device) +
      check_side("the source", source, size, kind == cudaMemcpyHostToDevice ? host : device);
  if (!problem.empty()) return bad_copy("cudaMemcpyAsync", problem);
  scheduler().enqueue(*stream, std::make_unique<CopyItem>(target, source, size));
  return cudaSuccess;
}

cudaError_t fill(void* target, int value, std::size_t size, cudaStream_t stream) {
  if (const cudaError_t code = check_stream(stream, "cudaMemsetAsync"); code != cudaSuccess) {
    return code;
  }
  if (size == 0) return cudaSuccess;
  const std::string problem = check_side("the target", target, size, stream->device);
  if (!problem.empty()) return bad_copy("cudaMemsetAsync", problem);
  scheduler().enqueue(*stream, std::make_unique<FillItem>(target, value, size));
  return cudaSuccess;
}

cudaError_t free_device(void* memory) {
  if (memory == nullptr) return cudaSuccess;
  const std::optional<int> device = device_of(memory);
  if (!device) return refuse(cudaErrorInvalidValue, "cudaFree of what is not device memory");
  // CUDA too waits for the device here.
  const bool ran = scheduler().wait_for_device(*device);
  const bool freed = scheduler().locked([&] { return memory_of(*device).deallocate(memory); });
  if (!freed) {
    report(FaultKind::device_memory, "cudaFree of " + describe_address(memory));
    return answer(cudaErrorInvalidValue);
  }
  return ran ? cudaSuccess : answer(cudaErrorLaunchFailure);
}

cudaError_t free_host(void* memory) {
  if (memory == nullptr) return cudaSuccess;
  (void)scheduler().wait_for_device(current_device());
  if (!scheduler().locked([&] { return pinned().erase(memory) == 1; })) {
    return refuse(cudaErrorInvalidValue, "cudaFreeHost of what cudaMallocHost did not give");
  }
  std::free(memory);
  return cudaSuccess;
}

}  // namespace
}  // namespace softmoe::gpu_emulation

using softmoe::gpu_emulation::answer;
using softmoe::gpu_emulation::scheduler;

extern "C" {

cudaError_t cudaMalloc(void** memory, std::size_t size) {
  *memory = nullptr;
  if (size == 0) return cudaSuccess;
  softmoe::gpu_emulation::install_access_reports();
  auto& device = softmoe::gpu_emulation::memory_of(softmoe::gpu_emulation::current_device());
  *memory = scheduler().locked([&] { return device.allocate(size); });
  return answer(*memory == nullptr ? cudaErrorMemoryAllocation : cudaSuccess);
}

cudaError_t cudaFree(void* memory) {
  return softmoe::gpu_emulation::free_device(memory);
}

cudaError_t cudaMallocHost(void** memory, std::size_t size) {
  *memory = nullptr;
  if (size == 0) return cudaSuccess;
  constexpr std::size_t kAlignment = 256;
  void* pinned = std::aligned_alloc(kAlignment, (size + kAlignment - 1) / kAlignment * kAlignment);
  if (pinned == nullptr) return answer(cudaErrorMemoryAllocation);
  std::memset(pinned, 0xff, size);
  scheduler().locked([&] { softmoe::gpu_emulation::pinned().insert(pinned); });
  *memory = pinned;
  return cudaSuccess;
}

cudaError_t cudaFreeHost(void* memory) {
  return softmoe::gpu_emulation::free_host(memory);
}

cudaError_t cudaMemcpyAsync(void* target, const void* source, std::size_t size,
                            enum cudaMemcpyKind kind, cudaStream_t stream) {
  return softmoe::gpu_emulation::copy(target, source, size, kind, stream);
}

cudaError_t cudaMemsetAsync(void* target, int value, std::size_t size, cudaStream_t stream) {
  return softmoe::gpu_emulation::fill(target, value, size, stream);
}

}  // extern "C"
