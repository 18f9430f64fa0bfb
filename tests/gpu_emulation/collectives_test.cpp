// What lanes of a warp and threads of a block get from each other, checked by hand.

#include <gmock/gmock.h>

#include <numeric>

#include "runtime/device/cuda/launch.h"
#include "runtime/device/cuda/shared_memory.h"
#include "tests/gpu_emulation/emulation.h"
#include "tests/gpu_emulation/planted/planted.h"

namespace softmoe::gpu_emulation {
namespace {

using cuda::kAllLanes;
using testing::Each;
using testing::ElementsAre;

/// The 32 results of one warp.
template <class T>
std::vector<T> of_warp(void (*kernel)(T*)) {
  SmallGpu gpu;
  const View<T> target = gpu.saved.push<T>(cuda::kWarp);
  cuda::launch(kernel, {.blocks = 1}, gpu.stream, target.data());
  return gpu.download(target);
}

template <class T>
std::vector<T> first(const std::vector<T>& values, std::ptrdiff_t count) {
  return {values.begin(), values.begin() + count};
}

__device__ int lane() {
  return static_cast<int>(threadIdx.x);
}

__global__ void __launch_bounds__(32) shuffle_from_8k_plus_1(int* target) {
  target[lane()] = __shfl_sync(kAllLanes, 10 * lane(), 1, 8);
}

TEST(Shuffle, ReadsALaneOfItsGroup) {
  const std::vector<int> result = of_warp(shuffle_from_8k_plus_1);

  EXPECT_THAT(first(result, 8), Each(10));
  EXPECT_EQ(result[8], 90);
  EXPECT_EQ(result[31], 250);
}

__global__ void __launch_bounds__(32) shuffle_from_35(int* target) {
  target[lane()] = __shfl_sync(kAllLanes, lane(), 35);
}

TEST(Shuffle, TakesTheSourceModuloTheWidth) {
  EXPECT_THAT(of_warp(shuffle_from_35), Each(3));
}

__global__ void __launch_bounds__(32) shuffle_up_by_2_of_4(double* target) {
  target[lane()] = __shfl_up_sync(kAllLanes, 1.0 * lane(), 2, 4);
}

TEST(Shuffle, UpKeepsTheLowestLanesOfAGroup) {
  EXPECT_THAT(first(of_warp(shuffle_up_by_2_of_4), 8), ElementsAre(0, 1, 0, 1, 4, 5, 4, 5));
}

__global__ void __launch_bounds__(32) shuffle_down_by_1_of_4(float* target) {
  target[lane()] = __shfl_down_sync(kAllLanes, static_cast<float>(lane()), 1, 4);
}

TEST(Shuffle, DownKeepsTheHighestLanesOfAGroup) {
  EXPECT_THAT(first(of_warp(shuffle_down_by_1_of_4), 8), ElementsAre(1, 2, 3, 3, 5, 6, 7, 7));
}

__global__ void __launch_bounds__(32) shuffle_xor_4_of_4(int* target) {
  target[lane()] = __shfl_xor_sync(kAllLanes, lane(), 4, 4);
}

// The Programming Guide: "threads can access elements from earlier groups of threads; however, if
// they attempt to access elements from later groups of threads, their own value is returned".
TEST(Shuffle, XorReadsEarlierGroupsButNotLaterOnes) {
  EXPECT_THAT(first(of_warp(shuffle_xor_4_of_4), 8), ElementsAre(0, 1, 2, 3, 0, 1, 2, 3));
}

__global__ void __launch_bounds__(32) halves_apart(int* target) {
  if (lane() < 16) {
    for (int i = 0; i < 3; ++i) target[lane()] = __shfl_xor_sync(0x0000ffffU, lane(), 1);
  } else {
    target[lane()] = __shfl_xor_sync(0xffff0000U, lane(), 2);
  }
}

TEST(Shuffle, OfTwoPartsOfAWarpDoNotDisturbEachOther) {
  const std::vector<int> result = of_warp(halves_apart);

  EXPECT_THAT(first(result, 4), ElementsAre(1, 0, 3, 2));
  EXPECT_EQ(result[16], 18);
  EXPECT_TRUE(take_faults().empty());
}

__global__ void __launch_bounds__(32) votes(unsigned* target) {
  const bool odd = lane() % 2 == 1;
  const unsigned ballot = __ballot_sync(kAllLanes, odd);
  const int any = __any_sync(kAllLanes, lane() == 7);
  const int all = __all_sync(kAllLanes, lane() < 31);
  target[lane()] = lane() == 0 ? ballot : static_cast<unsigned>(2 * any + all);
}

TEST(Vote, CountsTheLanesOfTheMask) {
  const std::vector<unsigned> result = of_warp(votes);

  EXPECT_EQ(result[0], 0xaaaaaaaaU);
  EXPECT_EQ(result[1], 2U);
}

__global__ void __launch_bounds__(32) matches(unsigned* target) {
  target[lane()] = __match_any_sync(kAllLanes, lane() / 8);
}

TEST(Match, FindsTheLanesOfEqualValue) {
  const std::vector<unsigned> result = of_warp(matches);

  EXPECT_EQ(result[0], 0x000000ffU);
  EXPECT_EQ(result[31], 0xff000000U);
}

__global__ void __launch_bounds__(32) bits(int* target) {
  if (lane() != 0) return;
  target[0] = __popc(0xf0f0U);
  target[1] = __ffs(0x40);
  target[2] = __ffs(0);
  target[3] = __clz(1);
}

TEST(Bits, AreCountedAsOnAGpu) {
  EXPECT_THAT(first(of_warp(bits), 4), ElementsAre(8, 7, 0, 31));
}

/// The sum over a block: every thread adds its neighbour's number, half as far each time.
__global__ void __launch_bounds__(128) sum_of_block(int* target) {
  auto* shared = cuda::shared_memory<int>();
  shared[threadIdx.x] = static_cast<int>(threadIdx.x);
  for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) shared[threadIdx.x] += shared[threadIdx.x + half];
  }
  if (threadIdx.x == 0) target[blockIdx.x] = shared[0] + static_cast<int>(blockIdx.x);
}

std::vector<int> sums_of_blocks() {
  SmallGpu gpu;
  const View<int> target = gpu.saved.push<int>(5);
  cuda::launch(sum_of_block, {.blocks = 5, .threads = 128, .shared_bytes = 512}, gpu.stream,
               target.data());
  return gpu.download(target);
}

TEST(Barrier, OrdersSharedMemoryInEveryOrderOfThreads) {
  const std::vector<int> expected{8128, 8129, 8130, 8131, 8132};

  EXPECT_EQ(count_wrong(sums_of_blocks, expected), 0);
}

__global__ void __launch_bounds__(64) take_numbers(unsigned* counter, int* order) {
  order[atomicAdd(counter, 1U)] = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
}

std::vector<int> order_of_threads(std::uint64_t seed) {
  set_seed(seed);
  SmallGpu gpu;
  const View<unsigned> counter = gpu.upload<unsigned>({0});
  const View<int> order = gpu.saved.push<int>(128);
  cuda::launch(take_numbers, {.blocks = 2, .threads = 64}, gpu.stream, counter.data(),
               order.data());
  return gpu.download(order);
}

TEST(Order, OfThreadsAndBlocksIsThatOfTheSeed) {
  const std::vector<int> one = order_of_threads(1);
  const std::vector<int> two = order_of_threads(2);

  EXPECT_EQ(order_of_threads(1), one);
  EXPECT_NE(one, two);
  std::vector<int> everybody(128);
  std::iota(everybody.begin(), everybody.end(), 0);
  EXPECT_THAT(one, testing::UnorderedElementsAreArray(everybody));
}

__global__ void __launch_bounds__(32) read_shared(float* target) {
  target[threadIdx.x] = cuda::shared_memory<float>()[threadIdx.x];
  cuda::shared_memory<float>()[threadIdx.x] = 1.0F;
}

TEST(SharedMemory, IsGarbageForEveryBlock) {
  SmallGpu gpu;
  const View<float> target = gpu.upload(std::vector<float>(32, 0.0F));
  cuda::launch(read_shared, {.blocks = 1, .threads = 32, .shared_bytes = 128}, gpu.stream,
               target.data());
  cuda::launch(read_shared, {.blocks = 1, .threads = 32, .shared_bytes = 128}, gpu.stream,
               target.data());

  EXPECT_THAT(gpu.download(target), Each(testing::IsNan()));
}

TEST(SharedMemory, OfMoreThan48KiBIsRefusedAsByCuda) {
  SmallGpu gpu;
  EXPECT_THROW(cuda::launch(read_shared, {.blocks = 1, .threads = 32, .shared_bytes = 49153},
                            gpu.stream, static_cast<float*>(nullptr)),
               DeviceError);
}

}  // namespace
}  // namespace softmoe::gpu_emulation
