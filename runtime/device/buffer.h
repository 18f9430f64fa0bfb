#pragma once

// Owners of memory: on a device, and on the host where copies from a device land.

#include <cstdint>
#include <type_traits>
#include <utility>

#include "runtime/device/device.h"
#include "runtime/device/view.h"

namespace softmoe {

/// Device memory with one owner; views of it live no longer than it.
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  DeviceBuffer(Device& device, Bytes size)
      : device_(&device), data_(device.allocate(size)), size_(size) {}
  DeviceBuffer(DeviceBuffer&& other) noexcept { swap(other); }
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept {
    DeviceBuffer(std::move(other)).swap(*this);
    return *this;
  }
  ~DeviceBuffer() {
    if (device_ != nullptr) device_->deallocate(data_, size_);
  }

  [[nodiscard]] void* data() const { return data_; }
  [[nodiscard]] Bytes size() const { return size_; }
  /// All of it as elements of T.
  template <class T>
  [[nodiscard]] View<T> as() const {
    return {static_cast<T*>(data_), size_.value / static_cast<std::int64_t>(sizeof(T))};
  }
  /// All of it as a tensor. @throws InvalidArgument if the sizes differ.
  [[nodiscard]] TensorView tensor(DType dtype, Shape shape) const {
    require(shape.elements() * size_of(dtype) == size_.value,
            "a buffer has another size than its shape");
    return {data_, dtype, shape};
  }

 private:
  void swap(DeviceBuffer& other) noexcept {
    std::swap(device_, other.device_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }

  Device* device_ = nullptr;
  void* data_ = nullptr;
  Bytes size_{0};
};

/// Host memory where a HostCopy lands, pinned on an accelerator. Grows on first use and is then
/// reused; the device that it was last used with outlives it.
template <class T>
class HostBuffer {
 public:
  HostBuffer() = default;
  HostBuffer(HostBuffer&& other) noexcept { swap(other); }
  HostBuffer& operator=(HostBuffer&& other) noexcept {
    HostBuffer(std::move(other)).swap(*this);
    return *this;
  }
  ~HostBuffer() {
    if (device_ != nullptr) device_->deallocate_host(memory_, size_);
  }

  /// Room for `count` elements that copies of `device` may use; earlier contents are lost when it
  /// grows.
  [[nodiscard]] T* room_for(std::int64_t count, Device& device) {
    const Bytes wanted(count * static_cast<std::int64_t>(sizeof(T)));
    if (wanted > size_ || (device_ != nullptr && device_ != &device)) {
      HostBuffer fresh;
      fresh.memory_ = device.allocate_host(wanted);
      fresh.device_ = &device;
      fresh.size_ = wanted;
      swap(fresh);
    }
    return static_cast<T*>(memory_);
  }

 private:
  static_assert(std::is_trivially_copyable_v<T>);

  void swap(HostBuffer& other) noexcept {
    std::swap(device_, other.device_);
    std::swap(memory_, other.memory_);
    std::swap(size_, other.size_);
  }

  Device* device_ = nullptr;
  void* memory_ = nullptr;
  Bytes size_{0};
};

}  // namespace softmoe
