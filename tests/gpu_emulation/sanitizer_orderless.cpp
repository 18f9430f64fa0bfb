// The builds without ThreadSanitizer: nobody asks who did what before whom.

#include "tests/gpu_emulation/sanitizer.h"

namespace softmoe::gpu_emulation::sanitizer {

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
void forget(void*, std::size_t) {}
unsigned num_fiber_sets() {
  return 1;
}

}  // namespace softmoe::gpu_emulation::sanitizer
