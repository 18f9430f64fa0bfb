// Streams, events, launches.

#include <fmt/format.h>

#include <memory>
#include <set>
#include <utility>

#include "tests/gpu_emulation/block.h"
#include "tests/gpu_emulation/call_errors.h"
#include "tests/gpu_emulation/device_memory.h"
#include "tests/gpu_emulation/kernel_name.h"
#include "tests/gpu_emulation/scheduler.h"
#include "tests/gpu_emulation/shared_bytes.h"

namespace softmoe::gpu_emulation {
namespace {

class KernelItem final : public WorkItem {
 public:
  KernelItem(std::unique_ptr<KernelCall> kernel, const Grid& grid, int device)
      : kernel_(std::move(kernel)), grid_(grid), device_(device) {}

  void run() override {
    run_grid(*kernel_, grid_, scheduler().random());
    memory_of(device_).check_fences([this] { return describe(); });
  }
  std::string describe() const override { return "kernel " + kernel_name(kernel_->address()); }

 private:
  std::unique_ptr<KernelCall> kernel_;
  Grid grid_;
  int device_;
};

std::set<cudaEvent_t>& events() {
  static auto* instance = new std::set<cudaEvent_t>();
  return *instance;
}

cudaError_t check_event(cudaEvent_t event, const char* call) {
  if (scheduler().locked([&] { return events().count(event) == 1; })) return cudaSuccess;
  return refuse(cudaErrorInvalidResourceHandle,
                fmt::format("{} of an event that was destroyed or never made", call));
}

bool is_one_dimensional(dim3 size) {
  return size.y == 1 && size.z == 1;
}

cudaError_t check_shape(const cudaLaunchConfig_t& config) {
  if (!is_one_dimensional(config.gridDim) || !is_one_dimensional(config.blockDim)) {
    return refuse(cudaErrorInvalidConfiguration, "grids of more than one dim are not emulated");
  }
  if (config.attrs != nullptr || config.numAttrs != 0) {
    return refuse(cudaErrorInvalidValue, "launch attributes are not emulated");
  }
  constexpr unsigned kMaxBlocks = 0x7fffffffU;
  if (config.gridDim.x == 0 || config.gridDim.x > kMaxBlocks || config.blockDim.x == 0 ||
      config.blockDim.x > kMaxThreads) {
    return answer(cudaErrorInvalidConfiguration);
  }
  return answer(config.dynamicSmemBytes > kMaxSharedBytes ? cudaErrorInvalidValue : cudaSuccess);
}

}  // namespace

cudaError_t launch(const cudaLaunchConfig_t& config, std::unique_ptr<KernelCall> kernel) {
  if (const cudaError_t code = check_stream(config.stream, "cudaLaunchKernelEx");
      code != cudaSuccess) {
    return code;
  }
  if (config.stream->device != current_device()) return answer(cudaErrorInvalidResourceHandle);
  if (const cudaError_t code = check_shape(config); code != cudaSuccess) return code;
  const Grid grid{config.gridDim.x, config.blockDim.x, config.dynamicSmemBytes};
  scheduler().enqueue(*config.stream,
                      std::make_unique<KernelItem>(std::move(kernel), grid, config.stream->device));
  return cudaSuccess;
}

}  // namespace softmoe::gpu_emulation

using softmoe::gpu_emulation::answer;
using softmoe::gpu_emulation::check_event;
using softmoe::gpu_emulation::check_stream;
using softmoe::gpu_emulation::scheduler;

extern "C" {

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned int flags, int) {
  *stream = nullptr;
  if (flags != cudaStreamNonBlocking) {
    return softmoe::gpu_emulation::refuse(
        cudaErrorInvalidValue, "streams that wait for the default stream are not emulated");
  }
  *stream = scheduler().create_stream(softmoe::gpu_emulation::current_device());
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  return answer(scheduler().destroy_stream(stream) ? cudaSuccess : cudaErrorInvalidResourceHandle);
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  const cudaError_t code = check_stream(stream, "cudaStreamSynchronize");
  if (code != cudaSuccess) return code;
  const bool ran = scheduler().wait(*scheduler().record(*stream));
  return answer(ran ? cudaSuccess : cudaErrorLaunchFailure);
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned int flags) {
  if (flags != 0) return answer(cudaErrorInvalidValue);
  cudaError_t code = check_stream(stream, "cudaStreamWaitEvent");
  if (code == cudaSuccess) code = check_event(event, "cudaStreamWaitEvent");
  if (code != cudaSuccess) return code;
  // A never-recorded event is no wait.
  if (event->last != nullptr) scheduler().enqueue_wait(*stream, event->last);
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned int flags) {
  *event = nullptr;
  if (flags != cudaEventDisableTiming) {
    return softmoe::gpu_emulation::refuse(cudaErrorInvalidValue,
                                          "events that take the time are not emulated");
  }
  *event = new CUevent_st{softmoe::gpu_emulation::current_device(), nullptr};
  scheduler().locked([&] { softmoe::gpu_emulation::events().insert(*event); });
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  const cudaError_t code = check_event(event, "cudaEventDestroy");
  if (code != cudaSuccess) return code;
  scheduler().locked([&] { softmoe::gpu_emulation::events().erase(event); });
  delete event;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  cudaError_t code = check_stream(stream, "cudaEventRecord");
  if (code == cudaSuccess) code = check_event(event, "cudaEventRecord");
  if (code != cudaSuccess) return code;
  if (event->device != stream->device) return answer(cudaErrorInvalidResourceHandle);
  event->last = scheduler().record(*stream);
  return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const cudaError_t code = check_event(event, "cudaEventSynchronize");
  if (code != cudaSuccess || event->last == nullptr) return code;
  return answer(scheduler().wait(*event->last) ? cudaSuccess : cudaErrorLaunchFailure);
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  const cudaError_t code = check_event(event, "cudaEventQuery");
  if (code != cudaSuccess || event->last == nullptr) return code;
  if (!scheduler().poll(*event->last)) return cudaErrorNotReady;
  return answer(event->last->dropped ? cudaErrorLaunchFailure : cudaSuccess);
}

}  // extern "C"
