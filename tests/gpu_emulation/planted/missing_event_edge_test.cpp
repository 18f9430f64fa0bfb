// One stream fills, another adds: with an event between them, and without.

#include "runtime/device/cuda/launch.h"
#include "tests/gpu_emulation/planted/planted.h"

namespace softmoe::gpu_emulation {
namespace {

enum class Edge : std::uint8_t { present, missing };

__global__ void __launch_bounds__(32) fill(float* target, float value) {
  target[threadIdx.x] = value;
}

__global__ void __launch_bounds__(32) add_one(const float* source, float* target) {
  target[threadIdx.x] = source[threadIdx.x] + 1.0F;
}

template <Edge edge>
std::vector<float> run() {
  SmallGpu gpu;
  const View<float> between = gpu.upload(std::vector<float>(32, 0.0F));
  const View<float> target = gpu.saved.push<float>(32);
  gpu.stream.synchronize();
  Event filled;
  cuda::launch(fill, {.blocks = 1}, gpu.stream, between.data(), 2.0F);
  gpu.stream.record(filled);
  if constexpr (edge == Edge::present) gpu.exchange.wait_for(filled);
  cuda::launch(add_one, {.blocks = 1}, gpu.exchange, between.data(), target.data());
  gpu.exchange.synchronize();
  gpu.stream.synchronize();
  return gpu.download(target);
}

const std::vector<float> kThrees(32, 3.0F);

TEST(PlantedMissingEventEdge, WithItTheSumIsRightInEveryOrder) {
  EXPECT_EQ(count_wrong(run<Edge::present>, kThrees), 0);
  expect_no_race([] { (void)run<Edge::present>(); });
}

TEST(PlantedMissingEventEdge, IsCaught) {
  expect_caught(run<Edge::missing>, kThrees);
}

}  // namespace
}  // namespace softmoe::gpu_emulation
