#include "runtime/ops/convert.h"

#include <gmock/gmock.h>

#include "tests/support/on_device.h"

namespace softmoe::ops {
namespace {

using test::OnDevice;
using testing::ElementsAre;

TEST(Convert, RoundsToNearestAndTiesToEven) {
  OnDevice device;
  // bf16 has 8 bits: beside 1 lie 1 + 2^-7 and, half way, 1 + 2^-8.
  const TensorView source =
      device.upload<float>({1, 1 + 0x1p-8F, 1 + 0x1p-8F + 0x1p-20F, 1 + 3 * 0x1p-8F, -2}, {5});
  const TensorView target = device.saved.push(DType::bf16, {5});

  convert(source, target, device.stream);

  EXPECT_THAT(device.download<Bf16>(target), ElementsAre(1, 1, 1 + 0x1p-7F, 1 + 2 * 0x1p-7F, -2));
}

TEST(Convert, KeepsEveryBitOnTheWayUp) {
  OnDevice device;
  const TensorView source = device.upload<Bf16>({Bf16(0.1F), Bf16(-3e38F)}, {2});
  const TensorView target = device.saved.push(DType::f64, {2});

  convert(source, target, device.stream);

  EXPECT_THAT(device.download<double>(target),
              ElementsAre(double{float{Bf16(0.1F)}}, double{float{Bf16(-3e38F)}}));
}

TEST(Convert, RefusesAnotherSizeAndIntegers) {
  OnDevice device;
  const TensorView three = device.saved.push(DType::f32, {3});
  const TensorView four = device.saved.push(DType::bf16, {4});
  const TensorView integers = device.saved.push(DType::i32, {3});

  EXPECT_THROW(convert(three, four, device.stream), InvalidArgument);
  EXPECT_THROW(convert(three, integers, device.stream), InvalidArgument);
}

}  // namespace
}  // namespace softmoe::ops
