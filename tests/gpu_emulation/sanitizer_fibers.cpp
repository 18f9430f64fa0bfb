#include <sanitizer/tsan_interface.h>
#include <sys/mman.h>

#include "tests/gpu_emulation/emulation.h"
#include "tests/gpu_emulation/sanitizer.h"

// Exported by the runtime, declared in no header.
extern "C" {
void AnnotateIgnoreSyncBegin(const char* file, int line);
void AnnotateIgnoreSyncEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
void __tsan_read_range(void* memory, unsigned long size);
void __tsan_write_range(void* memory, unsigned long size);
}

namespace softmoe::gpu_emulation {

Checks checks() {
  return Checks::fibers;
}

namespace sanitizer {

Context create_context() {
  return __tsan_create_fiber(0);
}
void destroy_context(Context context) {
  __tsan_destroy_fiber(context);
}
Context current_context() {
  return __tsan_get_current_fiber();
}
void enter(Context context) {
  __tsan_switch_to_fiber(context, __tsan_switch_to_fiber_no_sync);
}
void release(OrderPoint& point) {
  __tsan_release(&point);
}
void acquire(OrderPoint& point) {
  __tsan_acquire(&point);
}
IgnoreLocks::IgnoreLocks() {
  AnnotateIgnoreSyncBegin(__FILE__, __LINE__);
  AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
}
IgnoreLocks::~IgnoreLocks() {
  AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
  AnnotateIgnoreSyncEnd(__FILE__, __LINE__);
}
IgnoreAccesses::IgnoreAccesses() {
  AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
}
IgnoreAccesses::~IgnoreAccesses() {
  AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
}
// Within AsStream all else is ignored, once.
void note_read(const void* memory, std::size_t size) {
  AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
  __tsan_read_range(const_cast<void*>(memory), size);
  AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
}
void note_write(void* memory, std::size_t size) {
  AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
  __tsan_write_range(memory, size);
  AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
}
void start_switch(void**, const void*, std::size_t) {}
void finish_switch(void*) {}
StackBounds host_stack() {
  return {};
}
void forbid(const void*, std::size_t) {}
void allow(const void*, std::size_t) {}

void forget(void* memory, std::size_t size) {
  // ThreadSanitizer takes a new mapping for memory that nobody has touched, unless its writes
  // count: then for one that the caller has written.
  const IgnoreAccesses ignore;
  mmap(memory, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

// Threads of equal number of two blocks that take the same set look like one thread, so that a race
// between these blocks may be missed; a fiber costs about a millisecond to make, so two sets it is.
unsigned num_fiber_sets() {
  return 2;
}

}  // namespace sanitizer
}  // namespace softmoe::gpu_emulation
