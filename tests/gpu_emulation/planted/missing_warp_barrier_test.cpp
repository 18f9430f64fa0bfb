// A warp whose lanes hand numbers to each other by shared memory: shuffles order no memory, only
// __syncwarp does.

#include "runtime/device/cuda/launch.h"
#include "runtime/device/cuda/shared_memory.h"
#include "tests/gpu_emulation/planted/planted.h"

namespace softmoe::gpu_emulation {
namespace {

enum class Between : std::uint8_t { sync, shuffle };

template <Between between>
__global__ void __launch_bounds__(32) neighbours(int* target) {
  auto* shared = cuda::shared_memory<int>();
  const int lane = static_cast<int>(threadIdx.x);
  shared[lane] = lane;
  int sum = 0;
  if constexpr (between == Between::sync) {
    __syncwarp();
  } else {
    sum = __shfl_sync(cuda::kAllLanes, 0, 0);
  }
  target[lane] = sum + shared[(lane + 1) % cuda::kWarp];
}

template <Between between>
std::vector<int> run() {
  SmallGpu gpu;
  const View<int> target = gpu.saved.push<int>(cuda::kWarp);
  cuda::launch(neighbours<between>,
               {.blocks = 1, .threads = cuda::kWarp, .shared_bytes = cuda::kWarp * sizeof(int)},
               gpu.stream, target.data());
  return gpu.download(target);
}

TEST(PlantedMissingWarpBarrier, TheRightKernelIsRight) {
  const std::vector<int> result = run<Between::sync>();

  EXPECT_EQ(result.front(), 1);
  EXPECT_EQ(result.back(), 0);
  expect_no_race([] { (void)run<Between::sync>(); });
}

// All lanes meet in the shuffle, so no order of this emulation gives wrong numbers: only the build
// that sees races knows.
TEST(PlantedMissingWarpBarrier, AShuffleInItsPlaceIsReportedAsARace) {
  if (checks() == Checks::fibers) expect_race([] { (void)run<Between::shuffle>(); });
}

}  // namespace
}  // namespace softmoe::gpu_emulation
