#pragma once

// What the emulation tells ThreadSanitizer and AddressSanitizer. One of sanitizer_plain.cpp,
// sanitizer_fibers.cpp and sanitizer_addresses.cpp, chosen by CMake, and sanitizer_orderless.cpp
// beside the first and the last; in the plain build nothing happens.

#include <cstddef>
#include <cstdint>

namespace softmoe::gpu_emulation::sanitizer {

/// A thread of execution as ThreadSanitizer sees it: streams and CUDA threads each are one.
using Context = void*;

[[nodiscard]] Context create_context();
void destroy_context(Context context);
[[nodiscard]] Context current_context();
/// What follows is done by `context`; this orders nothing.
void enter(Context context);

/// What happens while it lives is done by `context`.
class Entered {
 public:
  explicit Entered(Context context) : before_(current_context()) { enter(context); }
  ~Entered() { enter(before_); }
  Entered(const Entered&) = delete;
  Entered& operator=(const Entered&) = delete;

 private:
  Context before_;
};

/// A point that others may come after: what this context did is before whatever a context does
/// after acquire() of the same point.
using OrderPoint = std::uint64_t;
/// A point lives on the heap: one on a stack would be taken for those that were there before.
void release(OrderPoint& point);
void acquire(OrderPoint& point);

/// Locks taken in between order nothing, and what they guard is no access of anybody: the
/// emulation's own lock is not part of the model.
class IgnoreLocks {
 public:
  IgnoreLocks();
  ~IgnoreLocks();
  IgnoreLocks(const IgnoreLocks&) = delete;
  IgnoreLocks& operator=(const IgnoreLocks&) = delete;
};

/// What the emulation itself reads and writes in between is not an access of anybody.
class IgnoreAccesses {
 public:
  IgnoreAccesses();
  ~IgnoreAccesses();
  IgnoreAccesses(const IgnoreAccesses&) = delete;
  IgnoreAccesses& operator=(const IgnoreAccesses&) = delete;
};

/// Memory that work reads or writes as its stream; within AsStream.
void note_read(const void* memory, std::size_t size);
void note_write(void* memory, std::size_t size);

/// Around a switch from one stack to another: `fake_stack` is where the stack that is left keeps
/// what finish_switch() needs on return to it. Null: it is left for good.
void start_switch(void** fake_stack, const void* stack, std::size_t size);
void finish_switch(void* fake_stack);

struct StackBounds {
  const void* begin = nullptr;
  std::size_t size = 0;
};
/// The stack that the calling host thread was started with, where start_switch() needs it.
[[nodiscard]] StackBounds host_stack();

/// Memory that nobody may touch, from `memory` on; and may touch again.
void forbid(const void* memory, std::size_t size);
void allow(const void* memory, std::size_t size);

/// What was done to `memory`, whole pages, is forgotten, and in the build that sees races its
/// contents are lost.
void forget(void* memory, std::size_t size);

/// CUDA threads of different blocks are told apart by taking one of so many sets of fibers.
[[nodiscard]] unsigned num_fiber_sets();

}  // namespace softmoe::gpu_emulation::sanitizer
