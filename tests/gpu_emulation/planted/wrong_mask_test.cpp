// Sums over a warp by shuffles: with the mask of all lanes, and with masks that are wrong.

#include "runtime/device/cuda/launch.h"
#include "tests/gpu_emulation/planted/planted.h"

namespace softmoe::gpu_emulation {
namespace {

constexpr unsigned kLowerHalf = 0x0000ffffU;

template <unsigned mask>
__global__ void __launch_bounds__(32) sum_of_lanes(int* target) {
  int sum = static_cast<int>(threadIdx.x);
  for (int distance = 16; distance > 0; distance /= 2) sum += __shfl_xor_sync(mask, sum, distance);
  if (threadIdx.x == 0) target[0] = sum;
}

/// Lanes from `count` on leave before the others talk.
__global__ void __launch_bounds__(32) sum_of_some(int count, int* target) {
  const auto lane = static_cast<int>(threadIdx.x);
  if (lane >= count) return;
  const int next = __shfl_down_sync(cuda::kAllLanes, lane, 1);
  target[lane] = next;
}

/// Half of a warp votes, the other half shuffles.
__global__ void __launch_bounds__(32) mixed(int* target) {
  target[threadIdx.x] =
      threadIdx.x < 16 ? __any_sync(cuda::kAllLanes, 1) : __shfl_sync(cuda::kAllLanes, 1, 0);
}

/// The lower half asks a lane of the upper one.
__global__ void __launch_bounds__(32) ask_outside(int* target) {
  if (threadIdx.x < 16) target[threadIdx.x] = __shfl_sync(kLowerHalf, 1, 20);
}

template <class... Parameters, class... Arguments>
int run(void (*kernel)(Parameters...), Arguments... arguments) {
  SmallGpu gpu;
  const View<int> target = gpu.saved.push<int>(32);
  cuda::launch(kernel, {.blocks = 1}, gpu.stream, arguments..., target.data());
  return gpu.download(target)[0];
}

TEST(PlantedWrongMask, AllLanesSumUp) {
  EXPECT_EQ(run(sum_of_lanes<cuda::kAllLanes>), 496);
  EXPECT_TRUE(take_faults().empty());
}

TEST(PlantedWrongMask, ThatLacksTheCallerIsAFault) {
  (void)run(sum_of_lanes<kLowerHalf>);

  expect_fault(FaultKind::warp_collective, "__shfl_xor_sync with mask 0x0000ffff");
}

TEST(PlantedWrongMask, ThatNamesALaneWhichHasEndedIsAFault) {
  EXPECT_EQ(run(sum_of_some, 32), 1);
  EXPECT_TRUE(take_faults().empty());

  (void)run(sum_of_some, 31);

  expect_fault(FaultKind::warp_collective, "lane 31 has ended");
}

TEST(PlantedWrongMask, LanesAtDifferentCollectivesAreAFault) {
  (void)run(mixed);

  expect_fault(FaultKind::warp_collective, "waits at __");
}

TEST(PlantedWrongMask, ASourceOutsideTheMaskIsAFault) {
  (void)run(ask_outside);

  expect_fault(FaultKind::warp_collective, "reads lane 20, which is not in it");
}

__global__ void __launch_bounds__(64) barrier_for_some(int count) {
  if (static_cast<int>(threadIdx.x) < count) __syncthreads();
}

TEST(PlantedDivergentBarrier, IsAFaultThatNamesTheThread) {
  SmallGpu gpu;
  cuda::launch(barrier_for_some, {.blocks = 3, .threads = 64}, gpu.stream, 64);
  gpu.stream.synchronize();
  EXPECT_TRUE(take_faults().empty());

  cuda::launch(barrier_for_some, {.blocks = 3, .threads = 64}, gpu.stream, 63);
  gpu.stream.synchronize();

  expect_fault(FaultKind::barrier, "63 threads wait at __syncthreads, not reached by thread 63");
}

}  // namespace
}  // namespace softmoe::gpu_emulation
