#include "tests/gpu_emulation/fault_listener.h"

#include "tests/gpu_emulation/emulation.h"

namespace softmoe::gpu_emulation {

void FaultListener::OnTestEnd(const testing::TestInfo&) {
  require_idle();
  for (const Fault& fault : take_faults()) {
    ADD_FAILURE() << "emulated GPU: " << name_of(fault.kind) << ": " << fault.text;
  }
}

}  // namespace softmoe::gpu_emulation
