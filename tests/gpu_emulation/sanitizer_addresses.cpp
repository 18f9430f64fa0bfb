#include <pthread.h>
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>

#include "tests/gpu_emulation/emulation.h"
#include "tests/gpu_emulation/sanitizer.h"

namespace softmoe::gpu_emulation {

Checks checks() {
  return Checks::addresses;
}

namespace sanitizer {

void start_switch(void** fake_stack, const void* stack, std::size_t size) {
  __sanitizer_start_switch_fiber(fake_stack, stack, size);
}
void finish_switch(void* fake_stack) {
  __sanitizer_finish_switch_fiber(fake_stack, nullptr, nullptr);
}
StackBounds host_stack() {
  // For the main thread this reads a file of the kernel's: once a thread.
  thread_local const StackBounds bounds = [] {
    pthread_attr_t attributes;
    void* begin = nullptr;
    std::size_t size = 0;
    if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
      pthread_attr_getstack(&attributes, &begin, &size);
      pthread_attr_destroy(&attributes);
    }
    return StackBounds{begin, size};
  }();
  return bounds;
}
void forbid(const void* memory, std::size_t size) {
  __asan_poison_memory_region(memory, size);
}
void allow(const void* memory, std::size_t size) {
  __asan_unpoison_memory_region(memory, size);
}

}  // namespace sanitizer
}  // namespace softmoe::gpu_emulation
