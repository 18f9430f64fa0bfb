// Kernels that touch the wrong places: a wrong stride, one element too many, one too few.

#include <cmath>

#include "runtime/device/cuda/launch.h"
#include "runtime/device/cuda/shared_memory.h"
#include "tests/gpu_emulation/planted/planted.h"

namespace softmoe::gpu_emulation {
namespace {

using testing::ElementsAre;

/// Rows of `columns` elements that begin every `source_row` elements, put together densely.
__global__ void __launch_bounds__(32)
    gather_rows(const float* source, int source_row, int columns, float* target) {
  const int row = static_cast<int>(blockIdx.x);
  const int column = static_cast<int>(threadIdx.x);
  if (column < columns) target[row * columns + column] = source[row * source_row + column];
}

std::vector<float> gather(int source_row) {
  SmallGpu gpu;
  const View<float> padded = gpu.upload<float>({1, 2, 3, -1, 4, 5, 6, -1});
  const View<float> target = gpu.saved.push<float>(6);
  cuda::launch(gather_rows, {.blocks = 2}, gpu.stream, padded.data(), source_row, 3, target.data());
  return gpu.download(target);
}

TEST(PlantedWrongStride, IsSeenInTheNumbers) {
  EXPECT_THAT(gather(4), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(gather(3), testing::Not(ElementsAre(1, 2, 3, 4, 5, 6)));
}

enum class Tail : std::uint8_t { right, one_too_many, one_too_few };

template <Tail tail>
__global__ void __launch_bounds__(32) double_all(float* values, int count) {
  const int last = count - (tail == Tail::one_too_few ? 1 : 0);
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < last || (tail == Tail::one_too_many && i == last)) values[i] = 2.0F;
}

template <Tail tail>
std::vector<float> double_33() {
  SmallGpu gpu;
  // A buffer of its own: what lies behind it is nobody's.
  const DeviceBuffer buffer(gpu.device, Bytes(33 * sizeof(float)));
  const View<float> values = buffer.as<float>();
  cuda::launch(double_all<tail>, {.blocks = 2}, gpu.stream, values.data(), 33);
  return gpu.download(values);
}

const std::vector<float> kTwos(33, 2.0F);

TEST(PlantedTailOffByOne, TheRightKernelLeavesNoFault) {
  EXPECT_EQ(double_33<Tail::right>(), kTwos);
  EXPECT_TRUE(take_faults().empty());
}

TEST(PlantedTailOffByOne, AWriteBehindTheEndIsAFault) {
  if (checks() == Checks::addresses) {
    EXPECT_DEATH((void)double_33<Tail::one_too_many>(), "AddressSanitizer");
    return;
  }
  EXPECT_EQ(double_33<Tail::one_too_many>(), kTwos);
  expect_fault(FaultKind::device_memory, "double_all");
}

__global__ void __launch_bounds__(32) read_behind(const float* values, int count, float* target) {
  if (threadIdx.x == 0) target[0] = values[count];
}

float read_behind_33() {
  SmallGpu gpu;
  const DeviceBuffer buffer(gpu.device, Bytes(33 * sizeof(float)));
  const View<float> target = gpu.saved.push<float>(1);
  cuda::launch(read_behind, {.blocks = 1}, gpu.stream, buffer.as<float>().data(), 33,
               target.data());
  return gpu.download(target)[0];
}

TEST(PlantedTailOffByOne, AReadBehindTheEndGivesNaN) {
  if (checks() == Checks::addresses) {
    EXPECT_DEATH((void)read_behind_33(), "AddressSanitizer");
    return;
  }
  EXPECT_TRUE(std::isnan(read_behind_33()));
}

TEST(PlantedUnwrittenOutput, IsNaN) {
  const std::vector<float> values = double_33<Tail::one_too_few>();

  EXPECT_EQ(values[31], 2.0F);
  EXPECT_TRUE(std::isnan(values[32]));
}

template <Tail tail>
__global__ void __launch_bounds__(32) fill_shared(float* target) {
  auto* shared = cuda::shared_memory<float>();
  shared[threadIdx.x + (tail == Tail::one_too_many ? 1U : 0U)] = 1.0F;
  __syncthreads();
  target[threadIdx.x] = shared[threadIdx.x];
}

template <Tail tail>
void run_fill_shared() {
  SmallGpu gpu;
  const View<float> target = gpu.saved.push<float>(32);
  cuda::launch(fill_shared<tail>, {.blocks = 1, .threads = 32, .shared_bytes = 128}, gpu.stream,
               target.data());
  gpu.stream.synchronize();
}

TEST(PlantedTailOffByOne, AWriteBehindSharedMemoryIsAFault) {
  run_fill_shared<Tail::right>();
  EXPECT_TRUE(take_faults().empty());

  if (checks() == Checks::addresses) {
    EXPECT_DEATH(run_fill_shared<Tail::one_too_many>(), "AddressSanitizer");
    return;
  }
  run_fill_shared<Tail::one_too_many>();
  expect_fault(FaultKind::shared_memory, "0 bytes behind the end of its 128 bytes");
}

/// Four floats at once, from `offset` on.
__global__ void __launch_bounds__(32) load_four(const float* source, int offset, float* target) {
  const float4 four = *reinterpret_cast<const float4*>(source + offset);
  if (threadIdx.x == 0) target[0] = four.x + four.y + four.z + four.w;
}

float sum_from(int offset) {
  SmallGpu gpu;
  const View<float> source = gpu.upload<float>({1, 2, 3, 4, 5, 6, 7, 8});
  const View<float> target = gpu.saved.push<float>(1);
  cuda::launch(load_four, {.blocks = 1}, gpu.stream, source.data(), offset, target.data());
  return gpu.download(target)[0];
}

// A GPU ends the kernel; a processor does not mind, so only the build with checks of alignment
// does.
TEST(PlantedMisalignedLoad, IsSeenWhereAlignmentIsChecked) {
  EXPECT_EQ(sum_from(4), 26.0F);
  if (checks() != Checks::addresses) return;
  EXPECT_DEATH((void)sum_from(1), "misaligned address");
}

}  // namespace
}  // namespace softmoe::gpu_emulation
