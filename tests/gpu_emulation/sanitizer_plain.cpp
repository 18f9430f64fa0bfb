#include "tests/gpu_emulation/emulation.h"
#include "tests/gpu_emulation/sanitizer.h"

namespace softmoe::gpu_emulation {

Checks checks() {
  return Checks::plain;
}

namespace sanitizer {

void start_switch(void**, const void*, std::size_t) {}
void finish_switch(void*) {}
StackBounds host_stack() {
  return {};
}
void forbid(const void*, std::size_t) {}
void allow(const void*, std::size_t) {}

}  // namespace sanitizer
}  // namespace softmoe::gpu_emulation
