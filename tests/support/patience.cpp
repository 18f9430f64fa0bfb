#include "tests/support/patience.h"

namespace softmoe::test {

std::chrono::milliseconds patience(std::chrono::milliseconds limit) {
  return limit * SOFTMOE_TEST_PATIENCE;
}

}  // namespace softmoe::test
