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
  [[nodiscard]] Accelerator* accelerator() override { return nullptr; }
  [[nodiscard]] void* allocate(Bytes) override { return nullptr; }
  void deallocate(void*, Bytes) noexcept override {}
  [[nodiscard]] void* allocate_host(Bytes) override { return nullptr; }
  void deallocate_host(void*, Bytes) noexcept override {}

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

TEST(Dispatch, NamesAnOperationThatHasNoCudaKernel) {
  GpuInNameOnly gpu;
  Stream stream(gpu);
  const Kernels<FillZeroOp> without_cuda{"fill_zero", &reference::fill_zero, &cpu::fill_zero,
                                         nullptr};

  EXPECT_THAT([&] { (void)pick(stream, DType::f32, without_cuda); },
              ThrowsMessage<DeviceError>(HasSubstr("fill_zero has no CUDA kernel")));
}

}  // namespace
}  // namespace softmoe::ops
