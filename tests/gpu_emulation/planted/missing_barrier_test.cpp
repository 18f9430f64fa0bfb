// A block that turns its elements around in shared memory: with its barrier, and without.

#include "runtime/device/cuda/launch.h"
#include "runtime/device/cuda/shared_memory.h"
#include "tests/gpu_emulation/planted/planted.h"

namespace softmoe::gpu_emulation {
namespace {

constexpr int kThreads = 64;

enum class Barrier : std::uint8_t { present, missing };

template <Barrier barrier>
__global__ void __launch_bounds__(kThreads) reverse_in_block(const float* source, float* target) {
  auto* shared = cuda::shared_memory<float>();
  const unsigned first = blockIdx.x * blockDim.x;
  shared[threadIdx.x] = source[first + threadIdx.x];
  if constexpr (barrier == Barrier::present) __syncthreads();
  target[first + threadIdx.x] = shared[blockDim.x - 1 - threadIdx.x];
}

std::vector<float> numbers() {
  std::vector<float> values(2 * kThreads);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  return values;
}

std::vector<float> reversed() {
  std::vector<float> values = numbers();
  std::reverse(values.begin(), values.begin() + kThreads);
  std::reverse(values.begin() + kThreads, values.end());
  return values;
}

template <Barrier barrier>
std::vector<float> run() {
  SmallGpu gpu;
  const View<float> source = gpu.upload(numbers());
  const View<float> target = gpu.saved.push<float>(2 * kThreads);
  cuda::launch(reverse_in_block<barrier>,
               {.blocks = 2, .threads = kThreads, .shared_bytes = kThreads * sizeof(float)},
               gpu.stream, source.data(), target.data());
  return gpu.download(target);
}

TEST(PlantedMissingBarrier, TheRightKernelIsRightInEveryOrder) {
  EXPECT_EQ(count_wrong(run<Barrier::present>, reversed()), 0);
  expect_no_race([] { (void)run<Barrier::present>(); });
}

TEST(PlantedMissingBarrier, IsCaught) {
  expect_caught(run<Barrier::missing>, reversed());
}

}  // namespace
}  // namespace softmoe::gpu_emulation
