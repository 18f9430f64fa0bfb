#include "runtime/device/cuda/cuda_device.h"

#include <fmt/format.h>

#include <utility>

#include "runtime/base/errors.h"
#include "runtime/device/cuda/check_cuda.h"

namespace softmoe::cuda {

namespace {

cudaStream_t native(Accelerator::StreamHandle stream) {
  return static_cast<cudaStream_t>(stream);
}

cudaEvent_t native_event(Accelerator::EventHandle event) {
  return static_cast<cudaEvent_t>(event);
}

cudaMemcpyKind kind_of(CopyDirection direction) {
  switch (direction) {
    case CopyDirection::to_device:
      return cudaMemcpyHostToDevice;
    case CopyDirection::to_host:
      return cudaMemcpyDeviceToHost;
    case CopyDirection::within_device:
      return cudaMemcpyDeviceToDevice;
  }
  throw InternalError("a copy has a direction");
}

}  // namespace

Count count_devices() {
  int num_devices = 0;
  const cudaError_t code = cudaGetDeviceCount(&num_devices);
  if (code == cudaSuccess) return {.num_devices = num_devices};
  // No driver, a driver too old, no device: whatever it is, the process goes on without a GPU.
  (void)cudaGetLastError();
  return {.num_devices = 0, .refusal = cudaGetErrorString(code)};
}

CudaDevice::CudaDevice(int ordinal) : ordinal_(ordinal) {
  check_cuda(cudaSetDevice(ordinal), fmt::format("cudaSetDevice({})", ordinal));
}

CudaDevice::~CudaDevice() {
  for (const cudaEvent_t event : unused_events_) (void)cudaEventDestroy(event);
}

void* CudaDevice::allocate(Bytes size) {
  if (size.value == 0) return nullptr;
  void* memory = nullptr;
  check_cuda(cudaMalloc(&memory, static_cast<std::size_t>(size.value)),
             fmt::format("cudaMalloc of {} bytes on GPU {} (lower runtime.arena_bytes if it is too "
                         "much)",
                         size.value, ordinal_));
  return memory;
}

void CudaDevice::deallocate(void* memory, Bytes /*size*/) noexcept {
  (void)cudaFree(memory);
}

void* CudaDevice::allocate_host(Bytes size) {
  if (size.value == 0) return nullptr;
  void* memory = nullptr;
  check_cuda(cudaMallocHost(&memory, static_cast<std::size_t>(size.value)),
             fmt::format("cudaMallocHost of {} bytes", size.value));
  return memory;
}

void CudaDevice::deallocate_host(void* memory, Bytes /*size*/) noexcept {
  (void)cudaFreeHost(memory);
}

Accelerator::StreamHandle CudaDevice::create_stream(StreamPriority priority) {
  int lowest = 0;
  int highest = 0;
  check_cuda(cudaDeviceGetStreamPriorityRange(&lowest, &highest),
             "cudaDeviceGetStreamPriorityRange");
  cudaStream_t stream = nullptr;
  check_cuda(cudaStreamCreateWithPriority(&stream, cudaStreamNonBlocking,
                                          priority == StreamPriority::high ? highest : lowest),
             "cudaStreamCreateWithPriority");
  return stream;
}

void CudaDevice::destroy_stream(StreamHandle stream) noexcept {
  blas_handles_.forget(native(stream));
  (void)cudaStreamDestroy(native(stream));
}

Accelerator::EventHandle CudaDevice::create_event() {
  {
    const std::lock_guard lock(events_mutex_);
    if (!unused_events_.empty()) {
      const cudaEvent_t event = unused_events_.back();
      unused_events_.pop_back();
      return event;
    }
  }
  cudaEvent_t event = nullptr;
  check_cuda(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "cudaEventCreateWithFlags");
  return event;
}

void CudaDevice::destroy_event(EventHandle event) noexcept {
  // An event that a stream still waits for may be recorded anew: the wait keeps what it refers to.
  const std::lock_guard lock(events_mutex_);
  unused_events_.push_back(native_event(event));
}

void CudaDevice::record(EventHandle event, StreamHandle stream) {
  check_cuda(cudaEventRecord(native_event(event), native(stream)), "cudaEventRecord");
}

void CudaDevice::wait_for(StreamHandle stream, EventHandle event) {
  check_cuda(cudaStreamWaitEvent(native(stream), native_event(event), 0), "cudaStreamWaitEvent");
}

void CudaDevice::host_wait(EventHandle event) {
  const cudaError_t code = cudaEventSynchronize(native_event(event));
  rethrow_failure();
  check_cuda(code, "cudaEventSynchronize");
}

bool CudaDevice::has_passed(EventHandle event) {
  // Another thread than the device's may ask; its current device is the first, and a call would
  // make a context there.
  check_cuda(cudaSetDevice(ordinal_), "cudaSetDevice");
  const cudaError_t code = cudaEventQuery(native_event(event));
  if (code == cudaErrorNotReady) return false;
  check_cuda(code, "cudaEventQuery");
  return true;
}

void CudaDevice::synchronize(StreamHandle stream) {
  const cudaError_t code = cudaStreamSynchronize(native(stream));
  rethrow_failure();
  check_cuda(code, "cudaStreamSynchronize");
}

void CudaDevice::copy(void* target, const void* source, Bytes size, CopyDirection direction,
                      StreamHandle stream) {
  check_cuda(cudaMemcpyAsync(target, source, static_cast<std::size_t>(size.value),
                             kind_of(direction), native(stream)),
             "cudaMemcpyAsync");
}

void CudaDevice::fill_zero(void* target, Bytes size, StreamHandle stream) {
  if (size.value == 0) return;
  check_cuda(cudaMemsetAsync(target, 0, static_cast<std::size_t>(size.value), native(stream)),
             "cudaMemsetAsync");
}

void CudaDevice::fail(std::exception_ptr failure) noexcept {
  const std::lock_guard lock(failure_mutex_);
  if (failure_ == nullptr) failure_ = std::move(failure);
}

void CudaDevice::rethrow_failure() {
  const std::lock_guard lock(failure_mutex_);
  if (failure_ != nullptr) std::rethrow_exception(failure_);
}

}  // namespace softmoe::cuda
