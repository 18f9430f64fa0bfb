// Devices and errors.

#include <utility>

#include "tests/gpu_emulation/call_errors.h"
#include "tests/gpu_emulation/device_memory.h"
#include "tests/gpu_emulation/faults.h"
#include "tests/gpu_emulation/scheduler.h"

namespace softmoe::gpu_emulation {
namespace {

thread_local int chosen_device = 0;
thread_local cudaError_t last_error = cudaSuccess;

struct ErrorText {
  cudaError_t code;
  const char* name;
  const char* text;
};

constexpr ErrorText kErrors[] = {
    {cudaSuccess, "cudaSuccess", "no error"},
    {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    {cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration",
     "invalid configuration argument"},
    {cudaErrorInvalidMemcpyDirection, "cudaErrorInvalidMemcpyDirection",
     "invalid copy direction for memcpy"},
    {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
    {cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle", "invalid resource handle"},
    {cudaErrorNotReady, "cudaErrorNotReady", "device not ready"},
    {cudaErrorLaunchFailure, "cudaErrorLaunchFailure", "unspecified launch failure"},
};

const ErrorText* find(cudaError_t code) {
  for (const ErrorText& error : kErrors) {
    if (error.code == code) return &error;
  }
  return nullptr;
}

}  // namespace

cudaError_t answer(cudaError_t code) {
  if (code != cudaSuccess) last_error = code;
  return code;
}

cudaError_t refuse(cudaError_t code, std::string text) {
  report(FaultKind::call, std::move(text));
  return answer(code);
}

int current_device() {
  return chosen_device;
}

cudaError_t check_stream(cudaStream_t stream, const char* call) {
  if (stream == nullptr) {
    return refuse(cudaErrorInvalidResourceHandle,
                  std::string(call) + " on the default stream, which is not emulated");
  }
  if (!scheduler().is_stream(stream)) {
    return refuse(cudaErrorInvalidResourceHandle,
                  std::string(call) + " on a stream that was destroyed or never made");
  }
  return cudaSuccess;
}

}  // namespace softmoe::gpu_emulation

using softmoe::gpu_emulation::answer;

extern "C" {

cudaError_t cudaGetDeviceCount(int* count) {
  *count = softmoe::gpu_emulation::kNumDevices;
  return cudaSuccess;
}

cudaError_t cudaGetDevice(int* device) {
  *device = softmoe::gpu_emulation::chosen_device;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
  if (device < 0 || device >= softmoe::gpu_emulation::kNumDevices) {
    return answer(cudaErrorInvalidDevice);
  }
  softmoe::gpu_emulation::chosen_device = device;
  softmoe::gpu_emulation::install_access_reports();
  return cudaSuccess;
}

cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  *least = 0;
  *greatest = -5;
  return cudaSuccess;
}

const char* cudaGetErrorName(cudaError_t error) {
  const auto* found = softmoe::gpu_emulation::find(error);
  return found == nullptr ? "unrecognized error code" : found->name;
}

const char* cudaGetErrorString(cudaError_t error) {
  const auto* found = softmoe::gpu_emulation::find(error);
  return found == nullptr ? "unrecognized error code" : found->text;
}

cudaError_t cudaGetLastError() {
  return std::exchange(softmoe::gpu_emulation::last_error, cudaSuccess);
}

}  // extern "C"
