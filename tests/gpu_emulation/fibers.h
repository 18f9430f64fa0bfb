#pragma once

// Stacks that take turns on one host thread.

#include <boost/context/detail/fcontext.hpp>
#include <cstddef>

#include "tests/gpu_emulation/sanitizer.h"

namespace softmoe::gpu_emulation {

/// A stack and where its code is at present. Moved nowhere: its code knows its address.
class Fiber {
 public:
  /// Code of a fiber; never returns, and switches away when it is done.
  using Body = void (*)(void* argument);

  /// @param stack what it runs on; outlives it.
  Fiber(std::byte* stack, std::size_t size, Body body, void* argument);
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// What its code did is before whoever acquires `point`. For code that never gets there itself.
  void release(sanitizer::OrderPoint& point) const;
  /// Begins anew; what was on the stack is forgotten.
  void reset();

 private:
  friend class FiberHost;

  static void enter(boost::context::detail::transfer_t from);

  std::byte* stack_;
  std::size_t size_;
  Body body_;
  void* argument_;
  boost::context::detail::fcontext_t where_;
  sanitizer::Context context_;
  void* fake_stack_ = nullptr;
};

/// The host thread's own stack, from which fibers are entered and to which they come back.
class FiberHost {
 public:
  /// Runs `first` and what it switches to, until one of them calls leave().
  void run(Fiber& first);
  /// From the fiber `from` to another; returns when somebody switches to `from`.
  static void change(Fiber& from, Fiber& to);
  /// From the fiber `from` back to run().
  void leave(Fiber& from);

 private:
  boost::context::detail::fcontext_t where_ = nullptr;
  sanitizer::Context context_ = nullptr;
  void* fake_stack_ = nullptr;
  sanitizer::StackBounds stack_{};
};

/// Stacks with an unmapped page below each.
class Stacks {
 public:
  Stacks(std::size_t count, std::size_t size);
  ~Stacks();
  Stacks(const Stacks&) = delete;
  Stacks& operator=(const Stacks&) = delete;

  [[nodiscard]] std::byte* at(std::size_t index) const;
  [[nodiscard]] std::size_t size() const { return size_; }
  /// Whether `address` is in a page that a stack has overflown into.
  [[nodiscard]] bool is_overflow(const void* address) const;

 private:
  std::byte* memory_;
  std::size_t count_;
  std::size_t size_;
};

}  // namespace softmoe::gpu_emulation
