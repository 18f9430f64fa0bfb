#pragma once

// Memory of the emulated devices: closed to everybody but work that runs on its device.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

namespace softmoe::gpu_emulation {

/// Memory of one device: a reserved range of addresses. An allocation begins on a page, is full of
/// NaN bytes, and is followed by a fence of at least 256 known bytes and an unmapped page.
/// Addresses are never used twice, so that what was freed stays unmapped. The caller holds the
/// scheduler's lock.
class DeviceMemory {
 public:
  struct Allocation {
    std::byte* begin;
    std::size_t size;
    int number;  ///< in order of allocation, for reports
  };

  explicit DeviceMemory(int device);
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;

  /// Null if the range is used up.
  [[nodiscard]] void* allocate(std::size_t size);
  /// False if `memory` is not the begin of a live allocation.
  [[nodiscard]] bool deallocate(void* memory);

  [[nodiscard]] bool contains(const void* address) const;
  /// The live allocation, its fence included, that `address` is in.
  [[nodiscard]] std::optional<Allocation> find(const void* address) const;
  /// Whether [memory, memory + size) lies in one live allocation.
  [[nodiscard]] bool covers(const void* memory, std::size_t size) const;

  /// Reports every fence that was written to, naming `culprit`, and mends it.
  void check_fences(const std::function<std::string()>& culprit);

  /// Lets this thread read and write, until close(). Calls may nest.
  void open();
  void close();

 private:
  void protect(int protection);

  int device_;
  std::byte* begin_;
  std::size_t used_ = 0;
  int num_allocations_made_ = 0;
  std::map<std::byte*, Allocation> live_;
  int key_;  ///< memory protection key, -1 where the processor has none
  int times_opened_ = 0;
};

[[nodiscard]] DeviceMemory& memory_of(int device);
/// The device whose range of addresses `address` is in.
[[nodiscard]] std::optional<int> device_of(const void* address);

/// "allocation 3 of device 0 (4096 bytes), offset 4100", or what else `address` is.
[[nodiscard]] std::string describe_address(const void* address);

/// Memory of `device` is open to this thread while this lives.
class OpenMemory {
 public:
  explicit OpenMemory(int device) : memory_(memory_of(device)) { memory_.open(); }
  ~OpenMemory() { memory_.close(); }
  OpenMemory(const OpenMemory&) = delete;
  OpenMemory& operator=(const OpenMemory&) = delete;

 private:
  DeviceMemory& memory_;
};

/// From now on a wrong access to device memory, or past the stack of a CUDA thread, ends the
/// process with a message that says what was touched and by whom. Once per thread and process.
void install_access_reports();

}  // namespace softmoe::gpu_emulation
