#pragma once

// Memory of a step: pushed in exact sizes, popped last in first out.

#include <cstdint>

#include "runtime/device/buffer.h"
#include "runtime/device/view.h"

namespace softmoe {

/// What a push of so many bytes takes from an arena: everything is aligned to 64 bytes.
[[nodiscard]] constexpr std::int64_t arena_room(std::int64_t bytes) {
  constexpr std::int64_t kAlignment = 64;
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

/// A stack of device memory. Address space is reserved once and touched on first use, so nothing
/// is allocated in a step. Everything pushed is aligned to 64 bytes.
///
/// Popping does not wait for the device: memory may be reused by later work of the *same* stream,
/// and by another stream only behind an event.
class Arena {
 public:
  /// Height of the stack.
  using Mark = std::int64_t;

  /// @param capacity the most that may be in use at once; only what is used costs memory.
  Arena(Device& device, Bytes capacity);

  /// `count` uninitialised elements, valid until a mark below them is released.
  /// @throws DeviceError naming sizes and the cure if the arena is too small.
  template <class T>
  [[nodiscard]] View<T> push(std::int64_t count) {
    return {static_cast<T*>(take(count * static_cast<std::int64_t>(sizeof(T)))), count};
  }
  [[nodiscard]] TensorView push(DType dtype, Shape shape) {
    return {take(shape.elements() * size_of(dtype)), dtype, shape};
  }

  [[nodiscard]] Mark mark() const { return used_; }
  /// Pops everything pushed since `mark`.
  void release(Mark mark);

  [[nodiscard]] Device& device() const { return *device_; }
  [[nodiscard]] Bytes used() const { return Bytes(used_); }
  /// The most that was in use since construction.
  [[nodiscard]] Bytes peak() const { return Bytes(peak_); }

 private:
  [[nodiscard]] void* take(std::int64_t bytes);

  Device* device_;
  DeviceBuffer memory_;
  std::int64_t used_ = 0;
  std::int64_t peak_ = 0;
};

/// Pops what was pushed during its life.
class ArenaScope {
 public:
  explicit ArenaScope(Arena& arena) : arena_(arena), mark_(arena.mark()) {}
  ~ArenaScope() { arena_.release(mark_); }
  ArenaScope(const ArenaScope&) = delete;
  ArenaScope& operator=(const ArenaScope&) = delete;

 private:
  Arena& arena_;
  Arena::Mark mark_;
};

}  // namespace softmoe
