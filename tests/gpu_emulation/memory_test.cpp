// Memory of the emulated devices: what is in it, who may touch it, and which copies are refused.

#include <cuda_runtime.h>
#include <gmock/gmock.h>

#include <array>
#include <cmath>
#include <vector>

#include "runtime/device/cuda/launch.h"
#include "tests/gpu_emulation/emulation.h"
#include "tests/gpu_emulation/planted/planted.h"

namespace softmoe::gpu_emulation {
namespace {

using testing::HasSubstr;

/// A stream and 100 bytes on device 0, 100 bytes on device 1.
class Memory : public testing::Test {
 protected:
  Memory() {
    cudaSetDevice(1);
    cudaMalloc(&other_, 100);
    cudaSetDevice(0);
    cudaMalloc(&memory_, 100);
    cudaStreamCreateWithPriority(&stream_, cudaStreamNonBlocking, 0);
  }
  ~Memory() override {
    cudaStreamDestroy(stream_);
    cudaFree(memory_);
    cudaFree(other_);
  }

  void expect_refused(void* target, const void* source, std::size_t size, cudaMemcpyKind kind,
                      const char* reason) const {
    EXPECT_EQ(cudaMemcpyAsync(target, source, size, kind, stream_), cudaErrorInvalidValue);
    const std::vector<Fault> faults = take_faults();
    ASSERT_EQ(faults.size(), 1U);
    EXPECT_EQ(faults[0].kind, FaultKind::copy);
    EXPECT_THAT(faults[0].text, HasSubstr(reason));
  }

  void* memory_ = nullptr;
  void* other_ = nullptr;
  cudaStream_t stream_ = nullptr;
  std::array<char, 200> host_{};
};

TEST_F(Memory, FreshMemoryIsNaN) {
  std::vector<float> floats(25);
  cudaMemcpyAsync(floats.data(), memory_, 100, cudaMemcpyDeviceToHost, stream_);
  cudaStreamSynchronize(stream_);

  for (const float value : floats) EXPECT_TRUE(std::isnan(value));
}

TEST_F(Memory, PinnedMemoryIsFreshToo) {
  void* pinned = nullptr;
  ASSERT_EQ(cudaMallocHost(&pinned, 8), cudaSuccess);
  EXPECT_TRUE(std::isnan(*static_cast<double*>(pinned)));
  EXPECT_EQ(cudaFreeHost(pinned), cudaSuccess);
}

TEST_F(Memory, IsAlignedTo256Bytes) {
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory_) % 256, 0U);
}

TEST_F(Memory, ACopyThatLeavesItsAllocationIsRefused) {
  expect_refused(memory_, host_.data(), 101, cudaMemcpyHostToDevice, "the target should be 101");
  expect_refused(host_.data(), static_cast<char*>(memory_) + 60, 41, cudaMemcpyDeviceToHost,
                 "(100 bytes), offset 60");
}

TEST_F(Memory, ACopyInTheWrongDirectionIsRefused) {
  expect_refused(host_.data(), memory_, 4, cudaMemcpyHostToDevice, "the target should be 4 bytes");
  expect_refused(memory_, host_.data(), 4, cudaMemcpyDeviceToHost, "should be host memory");
}

TEST_F(Memory, ACopyBetweenDevicesIsRefused) {
  expect_refused(memory_, other_, 4, cudaMemcpyDeviceToDevice, "of device 1 (100 bytes), offset 0");
}

TEST_F(Memory, FreeingTwiceIsAFault) {
  void* twice = nullptr;
  cudaMalloc(&twice, 10);
  EXPECT_EQ(cudaFree(twice), cudaSuccess);
  EXPECT_EQ(cudaFree(twice), cudaErrorInvalidValue);

  EXPECT_EQ(take_faults().at(0).kind, FaultKind::device_memory);
}

TEST_F(Memory, MoreThanThereIsIsAnError) {
  void* memory = nullptr;
  EXPECT_EQ(cudaMalloc(&memory, std::size_t{1} << 40), cudaErrorMemoryAllocation);
  EXPECT_EQ(memory, nullptr);
}

__global__ void __launch_bounds__(32) write_first(int* target) {
  if (threadIdx.x == 0) target[0] = 1;
}

void write_on_device_0(void* target) {
  SmallGpu gpu;
  cuda::launch(write_first, {.blocks = 1}, gpu.stream, static_cast<int*>(target));
  gpu.stream.synchronize();
}

TEST_F(Memory, AKernelTouchesItsOwnDeviceOnly) {
  write_on_device_0(memory_);
  EXPECT_DEATH(write_on_device_0(other_),
               "write_first, block 0, thread 0 touched what is not its own: allocation . of device "
               "1 .100 bytes., offset 0");
}

TEST_F(Memory, AKernelThatTouchesFreedMemoryEndsTheProcess) {
  EXPECT_DEATH(
      {
        cudaFree(memory_);
        write_on_device_0(memory_);
      },
      "write_first, block 0, thread 0 touched what is not its own: free memory of device 0");
}

}  // namespace
}  // namespace softmoe::gpu_emulation
