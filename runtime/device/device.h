#pragma once

// What kernels run on, and where their memory lives.

#include <cstddef>
#include <cstdint>
#include <optional>

#include "runtime/base/strong.h"
#include "runtime/device/workers.h"

namespace softmoe {

class Accelerator;
class Schedule;

/// Which kernels an operation uses: plain loops (the specification), vectors and BLAS, or CUDA.
enum class Backend : std::uint8_t { reference, cpu, cuda };

/// A device of one rank. Streams, buffers and arenas keep a reference to it: it must outlive them.
class Device {
 public:
  virtual ~Device() = default;

  [[nodiscard]] virtual Backend backend() const = 0;
  /// Threads that kernels of a host backend may use.
  [[nodiscard]] virtual Workers& workers() = 0;
  /// Null if work runs at once; otherwise where it is held until somebody waits.
  [[nodiscard]] virtual Schedule* schedule() = 0;
  /// Null on the processor.
  [[nodiscard]] virtual Accelerator* accelerator() = 0;

  /// Memory that kernels use, aligned to 64 bytes. Large blocks are only touched when used.
  /// @throws DeviceError naming the size if there is none.
  [[nodiscard]] virtual void* allocate(Bytes size) = 0;
  virtual void deallocate(void* memory, Bytes size) noexcept = 0;

  /// Host memory for copies from and to the device, aligned to 64 bytes: pinned where there is an
  /// accelerator. @throws DeviceError naming the size if there is none.
  [[nodiscard]] virtual void* allocate_host(Bytes size) = 0;
  virtual void deallocate_host(void* memory, Bytes size) noexcept = 0;
};

/// The processor itself.
class CpuDevice final : public Device {
 public:
  struct Options {
    Backend backend = Backend::cpu;  ///< cpu or reference
    int num_threads = 1;
    /// Test mode: work is held until a wait and then run in an order drawn with this seed from all
    /// orders that streams and events allow.
    std::optional<std::uint64_t> deferred_seed = {};
    /// Test mode: fresh memory is filled with NaN bytes.
    std::optional<std::byte> poison = {};
  };

  explicit CpuDevice(Options options);
  ~CpuDevice() override;

  [[nodiscard]] Backend backend() const override { return options_.backend; }
  [[nodiscard]] Workers& workers() override { return workers_; }
  [[nodiscard]] Schedule* schedule() override { return schedule_.get(); }
  [[nodiscard]] Accelerator* accelerator() override { return nullptr; }
  [[nodiscard]] void* allocate(Bytes size) override;
  void deallocate(void* memory, Bytes size) noexcept override;
  [[nodiscard]] void* allocate_host(Bytes size) override;
  void deallocate_host(void* memory, Bytes size) noexcept override;

 private:
  Options options_;
  Workers workers_;
  std::unique_ptr<Schedule> schedule_;
};

}  // namespace softmoe
