// The main of tests on real GPUs. Without one they are skipped, and the reason is said.

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "runtime/device/cuda_device.h"

int main(int argc, char** argv) {
  constexpr int kSkipped = 77;  // SKIP_RETURN_CODE of these tests
  testing::InitGoogleMock(&argc, argv);
  const softmoe::CudaAvailability gpus = softmoe::cuda_availability();
  if (gpus.num_devices == 0 && !GTEST_FLAG_GET(list_tests)) {
    fmt::print("skipped, no GPU: {}\n", gpus.reason);
    return kSkipped;
  }
  return RUN_ALL_TESTS();
}
