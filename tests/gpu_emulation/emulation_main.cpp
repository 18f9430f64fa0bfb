// The main of tests on emulated GPUs.

#include <gmock/gmock.h>

#include "tests/gpu_emulation/fault_listener.h"

int main(int argc, char** argv) {
  testing::InitGoogleMock(&argc, argv);
  // A child of its own instead of a fork: ThreadSanitizer's fibers do not survive one.
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  // The ends of tests reach listeners in reverse order: this one's failures are there before the
  // printer asks.
  testing::UnitTest::GetInstance()->listeners().Append(new softmoe::gpu_emulation::FaultListener());
  return RUN_ALL_TESTS();
}
