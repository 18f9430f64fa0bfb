#include "runtime/ops/dispatch.h"

#include <gmock/gmock.h>

#include "runtime/ops/elementwise.h"
#include "tests/support/on_device.h"

namespace softmoe::ops {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

/// A device that says it is a GPU and has nothing of one.
class GpuInNameOnly final : public Device {
 public:
  [[nodiscard]] Backend backend() const override { return Backend::cuda; }
  [[nodiscard]] Workers& workers() override { return workers_; }
  [[nodiscard]] Schedule* schedule() override { return nullptr; }
  [[nodiscard]] void* allocate(Bytes) override { return nullptr; }
  void deallocate(void*, Bytes) noexcept override {}

 private:
  Workers workers_{1};
};

TEST(Dispatch, RunsOnlyFloatsOnTheVectorKernels) {
  test::OnDevice device(Backend::cpu);

  EXPECT_TRUE(has_vector_kernels(device.stream, DType::f32));
  EXPECT_FALSE(has_vector_kernels(device.stream, DType::f64));
  EXPECT_FALSE(has_vector_kernels(device.stream, DType::bf16));
}

TEST(Dispatch, RunsEverythingOnTheSpecificationIfAsked) {
  test::OnDevice device(Backend::reference);

  EXPECT_FALSE(has_vector_kernels(device.stream, DType::f32));
}

TEST(Dispatch, SaysThatThisBuildHasNoCudaKernels) {
  GpuInNameOnly gpu;
  Stream stream(gpu);

  EXPECT_THAT([&] { fill_zero(TensorView(), stream); },
              ThrowsMessage<DeviceError>(HasSubstr("no CUDA kernels")));
}

}  // namespace
}  // namespace softmoe::ops
