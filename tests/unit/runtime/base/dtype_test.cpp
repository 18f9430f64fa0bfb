#include "runtime/base/dtype.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace softmoe {
namespace {

TEST(Bf16, KeepsWhatItCanRepresent) {
  for (const float value : {0.0F, -0.0F, 1.0F, -2.5F, 0x1.fep127F, 0x1p-126F}) {
    EXPECT_EQ(std::bit_cast<std::uint32_t>(float{Bf16(value)}),
              std::bit_cast<std::uint32_t>(value));
  }
}

TEST(Bf16, RoundsToTheNearest) {
  EXPECT_EQ(float{Bf16(0x1.010002p0F)}, 0x1.02p0F);
  EXPECT_EQ(float{Bf16(0x1.00fffep0F)}, 1.0F);
}

TEST(Bf16, RoundsTiesToEven) {
  EXPECT_EQ(float{Bf16(0x1.01p0F)}, 1.0F);
  EXPECT_EQ(float{Bf16(0x1.03p0F)}, 0x1.04p0F);
}

TEST(Bf16, RoundsTheLargestFloatsToInfinity) {
  EXPECT_EQ(float{Bf16(std::numeric_limits<float>::max())}, std::numeric_limits<float>::infinity());
}

TEST(Bf16, KeepsNanAndInfinity) {
  // All payload bits lie in the half that is cut off.
  const float quiet_in_lower_half = std::bit_cast<float>(0x7f800001U);

  EXPECT_TRUE(std::isnan(float{Bf16(quiet_in_lower_half)}));
  EXPECT_TRUE(std::isnan(float{Bf16(std::bit_cast<float>(0xffffffffU))}));
  EXPECT_EQ(float{Bf16(-std::numeric_limits<float>::infinity())},
            -std::numeric_limits<float>::infinity());
}

TEST(DType, VisitsTheStorageTypeOfEachFloat) {
  for (const DType dtype : {DType::f64, DType::f32, DType::bf16}) {
    const DType visited = visit_float(dtype, []<class T>() { return dtype_of<T>; });
    const auto bytes = visit_float(dtype, []<class T>() { return sizeof(T); });

    EXPECT_EQ(visited, dtype);
    EXPECT_EQ(static_cast<std::int64_t>(bytes), size_of(dtype));
  }
}

TEST(DType, RefusesToComputeWithIntegers) {
  EXPECT_THROW(visit_float(DType::i32, []<class T>() {}), InvalidArgument);
}

}  // namespace
}  // namespace softmoe
