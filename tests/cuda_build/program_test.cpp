// The program that nvcc's build gives: without a driver it starts, says what it found, and trains
// on the processor.

#include <gmock/gmock.h>

#include "runtime/device/cuda_device.h"
#include "tests/integration/workplace.h"

namespace softmoe::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

TEST(CudaProgram, StartsWithoutADriverAndSaysWhatItFound) {
  const Workplace place;

  const Ended version = place.softmoe({"version"});

  EXPECT_EQ(version.code, 0);
  EXPECT_THAT(version.output, AllOf(HasSubstr("GPUs: "), HasSubstr("NCCL 2.")));
}

TEST(CudaProgram, TrainsOnTheProcessorWhereThereIsNoGpu) {
  if (cuda_availability().num_devices > 0) GTEST_SKIP() << "there is a GPU";
  const Workplace place;
  place.train("processor");

  const Ended asked =
      place.softmoe({"train", "-c", "config.yaml", "run.folder=asked", "runtime.backend=cuda"});

  ASSERT_EQ(asked.code, 0) << asked.output;
  EXPECT_THAT(asked.output, HasSubstr("no GPU, running on the processor: CUDA says: "));
  EXPECT_EQ(place.losses("asked"), place.losses("processor"));
}

TEST(CudaProgram, NeedsTheRuntimeLibrariesAndNotTheDriver) {
  const Ended readelf =
      run_program({.words = {"/usr/bin/readelf", "-d", SOFTMOE_PROGRAM}, .directory = "/"});

  EXPECT_THAT(readelf.output, AllOf(HasSubstr("libcudart.so"), HasSubstr("libcublas.so"),
                                    HasSubstr("libnccl.so"), Not(HasSubstr("libcuda.so"))));
}

}  // namespace
}  // namespace softmoe::test
