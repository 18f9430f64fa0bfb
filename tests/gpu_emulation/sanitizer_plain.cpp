#include "tests/gpu_emulation/emulation.h"
#include "tests/gpu_emulation/sanitizer.h"

namespace softmoe::gpu_emulation {

Checks checks() {
  return Checks::plain;
}

namespace sanitizer {

Context create_context() {
  return nullptr;
}
void destroy_context(Context) {}
Context current_context() {
  return nullptr;
}
void enter(Context) {}
void release(OrderPoint&) {}
void acquire(OrderPoint&) {}
IgnoreLocks::IgnoreLocks() {}
IgnoreLocks::~IgnoreLocks() {}
IgnoreAccesses::IgnoreAccesses() {}
IgnoreAccesses::~IgnoreAccesses() {}
void note_read(const void*, std::size_t) {}
void note_write(void*, std::size_t) {}
void start_switch(void**, const void*, std::size_t) {}
void finish_switch(void*) {}
StackBounds host_stack() {
  return {};
}
void forbid(const void*, std::size_t) {}
void allow(const void*, std::size_t) {}
void forget(void*, std::size_t) {}
unsigned num_fiber_sets() {
  return 1;
}

}  // namespace sanitizer
}  // namespace softmoe::gpu_emulation
