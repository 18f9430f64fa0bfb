// Blocks of one grid in no order: each in its own place, and one that reads what another writes.

#include "runtime/device/cuda/launch.h"
#include "tests/gpu_emulation/planted/planted.h"

namespace softmoe::gpu_emulation {
namespace {

constexpr int kBlocks = 8;

enum class Source : std::uint8_t { own_block, block_before };

template <Source source>
__global__ void __launch_bounds__(32) chain(int* values) {
  const int block = static_cast<int>(blockIdx.x);
  const int read = source == Source::own_block || block == 0 ? block : block - 1;
  if (threadIdx.x == 0) values[block] = values[read] + 1;
}

template <Source source>
std::vector<int> run() {
  SmallGpu gpu;
  const View<int> values = gpu.upload(std::vector<int>(kBlocks, 0));
  cuda::launch(chain<source>, {.blocks = kBlocks}, gpu.stream, values.data());
  return gpu.download(values);
}

TEST(PlantedBlocksThatTalk, EachInItsOwnPlaceIsRight) {
  EXPECT_EQ(count_wrong(run<Source::own_block>, std::vector<int>(kBlocks, 1)), 0);
  expect_no_race([] { (void)run<Source::own_block>(); });
}

TEST(PlantedBlocksThatTalk, AreCaught) {
  expect_caught(run<Source::block_before>, std::vector<int>{1, 2, 3, 4, 5, 6, 7, 8});
}

}  // namespace
}  // namespace softmoe::gpu_emulation
