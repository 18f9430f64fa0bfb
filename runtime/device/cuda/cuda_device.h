#pragma once

// For files of cuda/ folders only; others get one from make_cuda_device().

#include <cuda_runtime.h>

#include <exception>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/device/accelerator.h"
#include "runtime/device/cuda/blas_handles.h"
#include "runtime/device/device.h"

namespace softmoe::cuda {

/// The devices that the runtime shows this process, or its words for showing none.
struct Count {
  int num_devices = 0;
  std::string refusal;
};
[[nodiscard]] Count count_devices();

/// One GPU of this process, current for the thread that made it.
class CudaDevice final : public Device, public Accelerator {
 public:
  /// @param ordinal in [0, devices that the process sees)
  explicit CudaDevice(int ordinal);
  ~CudaDevice() override;
  CudaDevice(const CudaDevice&) = delete;
  CudaDevice& operator=(const CudaDevice&) = delete;

  [[nodiscard]] Backend backend() const override { return Backend::cuda; }
  [[nodiscard]] Workers& workers() override { return workers_; }
  [[nodiscard]] Schedule* schedule() override { return nullptr; }
  [[nodiscard]] Accelerator* accelerator() override { return this; }
  [[nodiscard]] void* allocate(Bytes size) override;
  void deallocate(void* memory, Bytes size) noexcept override;
  [[nodiscard]] void* allocate_host(Bytes size) override;
  void deallocate_host(void* memory, Bytes size) noexcept override;

  [[nodiscard]] StreamHandle create_stream(StreamPriority priority) override;
  void destroy_stream(StreamHandle stream) noexcept override;
  [[nodiscard]] EventHandle create_event() override;
  void destroy_event(EventHandle event) noexcept override;
  void record(EventHandle event, StreamHandle stream) override;
  void wait_for(StreamHandle stream, EventHandle event) override;
  void host_wait(EventHandle event) override;
  [[nodiscard]] bool has_passed(EventHandle event) override;
  void synchronize(StreamHandle stream) override;
  void copy(void* target, const void* source, Bytes size, CopyDirection direction,
            StreamHandle stream) override;
  void fill_zero(void* target, Bytes size, StreamHandle stream) override;
  void fail(std::exception_ptr failure) noexcept override;

  /// The GPU's number, as communicators of its vendor want it.
  [[nodiscard]] int ordinal() const { return ordinal_; }
  [[nodiscard]] BlasHandles& blas_handles() { return blas_handles_; }

 private:
  /// @throws what fail() was given.
  void rethrow_failure();

  int ordinal_;
  Workers workers_{1};
  BlasHandles blas_handles_;

  // Events are made and dropped all the time; making one is a call into the driver.
  std::mutex events_mutex_;
  std::vector<cudaEvent_t> unused_events_;

  std::mutex failure_mutex_;
  std::exception_ptr failure_;
};

}  // namespace softmoe::cuda
