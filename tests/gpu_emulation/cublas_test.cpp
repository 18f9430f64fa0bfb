// Products of the emulated cuBLAS, checked by hand.

#include <cublas_v2.h>
#include <gmock/gmock.h>

#include <vector>

#include "runtime/base/dtype.h"
#include "runtime/device/cuda/launch.h"
#include "tests/gpu_emulation/emulation.h"
#include "tests/gpu_emulation/planted/planted.h"

namespace softmoe::gpu_emulation {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Cublas : public testing::Test {
 protected:
  Cublas() {
    cublasCreate(&handle_);
    cublasSetStream(handle_, cuda::native(gpu_.stream));
  }
  ~Cublas() override { cublasDestroy(handle_); }

  /// C := op(A) op(B) + beta C with the leading dims of dense matrices.
  template <class In, class Out>
  cublasStatus_t multiply(cublasOperation_t transpose_a, View<In> a, View<In> b, View<Out> c,
                          float beta = 0.0F) {
    const float alpha = 1.0F;
    constexpr auto type = [](auto value) {
      return std::is_same_v<decltype(value), float> ? CUDA_R_32F : CUDA_R_16BF;
    };
    // 2 x 3 times 3 x 2.
    return cublasGemmEx(handle_, transpose_a, CUBLAS_OP_N, 2, 2, 3, &alpha, a.data(), type(In{}),
                        transpose_a == CUBLAS_OP_N ? 2 : 3, b.data(), type(In{}), 3, &beta,
                        c.data(), type(Out{}), 2, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT);
  }

  SmallGpu gpu_;
  cublasHandle_t handle_ = nullptr;
};

// A = 1 3 5   B = 1 0   AB = 12 5
//     2 4 6       2 0        16 6
//                 1 1
TEST_F(Cublas, MultipliesByColumns) {
  const View<float> a = gpu_.upload<float>({1, 2, 3, 4, 5, 6});
  const View<float> b = gpu_.upload<float>({1, 2, 1, 0, 0, 1});
  const View<float> c = gpu_.saved.push<float>(4);

  ASSERT_EQ(multiply(CUBLAS_OP_N, a, b, c), CUBLAS_STATUS_SUCCESS);

  EXPECT_THAT(gpu_.download(c), ElementsAre(12, 16, 5, 6));
}

TEST_F(Cublas, TransposesAndAddsToWhatIsThere) {
  const View<float> a = gpu_.upload<float>({1, 3, 5, 2, 4, 6});
  const View<float> b = gpu_.upload<float>({1, 2, 1, 0, 0, 1});
  const View<float> c = gpu_.upload<float>({1, 1, 1, 1});

  ASSERT_EQ(multiply(CUBLAS_OP_T, a, b, c, 2.0F), CUBLAS_STATUS_SUCCESS);

  EXPECT_THAT(gpu_.download(c), ElementsAre(14, 18, 7, 8));
}

TEST_F(Cublas, RoundsToBf16Once) {
  const Bf16 zero(0.0F);
  const Bf16 one(1.0F);
  const View<Bf16> a = gpu_.upload<Bf16>({Bf16(256.0F), zero, one, zero, one, zero});
  const View<Bf16> b = gpu_.upload<Bf16>({one, one, one, zero, zero, zero});
  const View<float> f32 = gpu_.saved.push<float>(4);
  const View<Bf16> bf16 = gpu_.saved.push<Bf16>(4);

  ASSERT_EQ(multiply(CUBLAS_OP_N, a, b, f32), CUBLAS_STATUS_SUCCESS);
  ASSERT_EQ(multiply(CUBLAS_OP_N, a, b, bf16), CUBLAS_STATUS_SUCCESS);

  // A sum kept in bf16 would stay at 256.
  EXPECT_EQ(gpu_.download(f32)[0], 258.0F);
  EXPECT_EQ(static_cast<float>(gpu_.download(bf16)[0]), 258.0F);
}

TEST_F(Cublas, RefusesALeadingDimThatIsTooSmall) {
  const float one = 1.0F;
  const View<float> a = gpu_.saved.push<float>(4);
  EXPECT_EQ(cublasGemmEx(handle_, CUBLAS_OP_N, CUBLAS_OP_N, 2, 2, 2, &one, a.data(), CUDA_R_32F, 1,
                         a.data(), CUDA_R_32F, 2, &one, a.data(), CUDA_R_32F, 2, CUBLAS_COMPUTE_32F,
                         CUBLAS_GEMM_DEFAULT),
            CUBLAS_STATUS_INVALID_VALUE);
}

TEST_F(Cublas, AMatrixThatLeavesItsAllocationIsAFault) {
  const View<float> a = gpu_.upload<float>({1, 2, 3, 4, 5, 6});
  const DeviceBuffer small(gpu_.device, Bytes(5 * sizeof(float)));
  const View<float> c = gpu_.saved.push<float>(4);

  ASSERT_EQ(multiply(CUBLAS_OP_N, a, small.as<float>(), c), CUBLAS_STATUS_SUCCESS);
  gpu_.stream.synchronize();

  const std::vector<Fault> faults = take_faults();
  ASSERT_EQ(faults.size(), 1U);
  EXPECT_THAT(faults[0].text, HasSubstr("B needs 24 bytes"));
}

TEST_F(Cublas, GroupsTakeTheirAddressesFromTheDevice) {
  const View<float> a = gpu_.upload<float>({2, 3});
  const View<float> b = gpu_.upload<float>({5, 7});
  const View<float> c = gpu_.saved.push<float>(3);
  // 1 x 1 times 1 x 1, and 1 x 1 times 1 x 2.
  const View<const void*> as = gpu_.upload<const void*>({a.data(), a.data() + 1});
  const View<const void*> bs = gpu_.upload<const void*>({b.data(), b.data()});
  const View<void*> cs = gpu_.upload<void*>({c.data(), c.data() + 1});
  const cublasOperation_t n[] = {CUBLAS_OP_N, CUBLAS_OP_N};
  const int ones[] = {1, 1};
  const int columns[] = {1, 2};
  const float alpha[] = {1, 10};
  const float beta[] = {0, 0};

  ASSERT_EQ(cublasGemmGroupedBatchedEx(handle_, n, n, ones, columns, ones, alpha, as.data(),
                                       CUDA_R_32F, ones, bs.data(), CUDA_R_32F, ones, beta,
                                       cs.data(), CUDA_R_32F, ones, 2, ones, CUBLAS_COMPUTE_32F),
            CUBLAS_STATUS_SUCCESS);

  EXPECT_THAT(gpu_.download(c), ElementsAre(10, 150, 210));
}

}  // namespace
}  // namespace softmoe::gpu_emulation
