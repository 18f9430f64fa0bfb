#include "tests/gpu/orders.h"

namespace softmoe::test {

void draw_order(std::uint64_t /*seed*/) {}

}  // namespace softmoe::test
