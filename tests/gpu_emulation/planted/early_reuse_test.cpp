// A pinned buffer that the host fills again: after the stream has passed the copy, and before.

#include "tests/gpu_emulation/planted/planted.h"

namespace softmoe::gpu_emulation {
namespace {

enum class Reuse : std::uint8_t { behind_the_copy, early };

template <Reuse reuse>
std::vector<int> run() {
  SmallGpu gpu;
  HostBuffer<int> buffer;
  int* const pinned = buffer.room_for(1, gpu.device);
  const View<int> target = gpu.saved.push<int>(2);

  for (int i = 0; i < 2; ++i) {
    pinned[0] = i;
    gpu.stream.copy(target.data() + i, pinned, Bytes(sizeof(int)), CopyDirection::to_device);
    if constexpr (reuse == Reuse::behind_the_copy) gpu.stream.synchronize();
  }
  return gpu.download(target);
}

const std::vector<int> kExpected{0, 1};

TEST(PlantedEarlyReuse, BehindTheCopyAllIsRight) {
  EXPECT_EQ(count_wrong(run<Reuse::behind_the_copy>, kExpected), 0);
  expect_no_race([] { (void)run<Reuse::behind_the_copy>(); });
}

TEST(PlantedEarlyReuse, IsCaught) {
  expect_caught(run<Reuse::early>, kExpected);
}

}  // namespace
}  // namespace softmoe::gpu_emulation
