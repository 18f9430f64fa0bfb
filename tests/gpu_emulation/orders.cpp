#include "tests/gpu/orders.h"

#include "tests/gpu_emulation/emulation.h"

namespace softmoe::test {

void draw_order(std::uint64_t seed) {
  gpu_emulation::set_seed(seed);
}

}  // namespace softmoe::test
