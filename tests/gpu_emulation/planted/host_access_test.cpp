// Host code that looks at device memory: by HostCopy, and behind the pointer.

#include "tests/gpu_emulation/planted/planted.h"

namespace softmoe::gpu_emulation {
namespace {

TEST(PlantedHostAccess, HostCopyReads) {
  SmallGpu gpu;
  const View<int> numbers = gpu.upload<int>({5, 6});

  EXPECT_THAT(gpu.download(numbers), testing::ElementsAre(5, 6));
}

TEST(PlantedHostAccess, AReadEndsTheProcess) {
  EXPECT_DEATH(
      {
        SmallGpu gpu;
        const View<int> numbers = gpu.upload<int>({5, 6});
        gpu.stream.synchronize();
        volatile int read = numbers[1];
        (void)read;
      },
      "host code touched device memory .allocation 0 of device 0 .65536 bytes., offset 4. "
      "outside a kernel or copy; use HostCopy");
}

TEST(PlantedHostAccess, AWriteEndsTheProcess) {
  EXPECT_DEATH(
      {
        SmallGpu gpu;
        const View<int> numbers = gpu.upload<int>({5, 6});
        gpu.stream.synchronize();
        numbers[0] = 1;
      },
      "host code touched device memory");
}

}  // namespace
}  // namespace softmoe::gpu_emulation
