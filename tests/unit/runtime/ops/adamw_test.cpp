#include "runtime/ops/adamw.h"

#include "tests/support/numbers.h"
#include "tests/unit/runtime/ops/everywhere.h"

namespace softmoe::ops {
namespace {

using test::as_type;
using test::Everywhere;
using test::joined;
using test::normal_numbers;
using test::OnDevice;
using testing::Each;

TEST(Adamw, MatchesTwoUpdatesCheckedByHand) {
  OnDevice device(Backend::reference);
  AdamwArguments arguments{.parameter = device.upload<double>({1.0}, {1}),
                           .gradient = device.upload<double>({4.0}, {1}),
                           .first_moment = device.upload<double>({0.0}, {1}),
                           .second_moment = device.upload<double>({0.0}, {1}),
                           .gradient_scale = 0.5,
                           .learning_rate = 0.1,
                           .beta1 = 0.5,
                           .beta2 = 0.75,
                           .epsilon = 0,
                           .weight_decay = 0.2};

  // g = 2: the corrected moments are 2 and 4, the direction is 1.
  adamw(arguments, device.stream);
  EXPECT_NEAR(device.download<double>(arguments.parameter)[0], 1 - 0.1 * (1 + 0.2), 1e-15);

  // The same gradient keeps the direction: m = 1.5 / 0.75, v = 1.75 / 0.4375.
  arguments.update = 2;
  adamw(arguments, device.stream);
  EXPECT_NEAR(device.download<double>(arguments.parameter)[0], 0.88 - 0.1 * (1 + 0.2 * 0.88),
              1e-15);
  EXPECT_DOUBLE_EQ(device.download<double>(arguments.first_moment)[0], 1.5);
  EXPECT_DOUBLE_EQ(device.download<double>(arguments.second_moment)[0], 1.75);
}

TEST(Adamw, IsTheSameEverywhere) {
  Everywhere everywhere;
  for (const std::int64_t size : {0, 1, 17, 255, 100'001}) {
    everywhere.expect_same(
        [&](OnDevice& device) {
          auto squares = normal_numbers<float>(size, 4, 0.1);
          for (float& value : squares) value *= value;
          const AdamwArguments arguments{
              .parameter = device.upload(normal_numbers<float>(size, 1), {size}),
              .gradient = device.upload(normal_numbers<float>(size, 2), {size}),
              .first_moment = device.upload(normal_numbers<float>(size, 3, 0.1), {size}),
              .second_moment = device.upload(squares, {size}),
              .gradient_scale = 0.125,
              .learning_rate = 1e-2,
              .weight_decay = 0.1,
              .update = 7};
          adamw(arguments, device.stream);
          return joined(device.download<float>(arguments.parameter),
                        device.download<float>(arguments.first_moment),
                        device.download<float>(arguments.second_moment));
        },
        test::kF32Rounding);
  }
}

TEST(Adamw, GivesAnElementTheSameBitsWhereverItStands) {
  OnDevice device;
  const auto same = [&](float value) { return device.upload(std::vector<float>(53, value), {53}); };
  const TensorView parameter = same(0.37F);

  adamw({.parameter = parameter,
         .gradient = same(-0.3F),
         .first_moment = same(0.02F),
         .second_moment = same(0.017F),
         .learning_rate = 0.013,
         .weight_decay = 0.1,
         .update = 3},
        device.stream);

  const auto numbers = device.download<float>(parameter);
  EXPECT_THAT(numbers, Each(numbers[0]));
}

TEST(Adamw, KeepsFloatMomentsBesideABf16Parameter) {
  OnDevice device;
  const AdamwArguments arguments{.parameter = device.upload<Bf16>({Bf16(1.0F)}, {1}),
                                 .gradient = device.upload<Bf16>({Bf16(0.5F)}, {1}),
                                 .first_moment = device.upload<float>({0}, {1}),
                                 .second_moment = device.upload<float>({0}, {1}),
                                 .learning_rate = 0.25};

  adamw(arguments, device.stream);

  EXPECT_EQ(float{device.download<Bf16>(arguments.parameter)[0]}, 0.75F);
  EXPECT_FLOAT_EQ(device.download<float>(arguments.first_moment)[0], 0.05F);
}

TEST(Adamw, RefusesUpdateZeroAndOtherSizes) {
  OnDevice device;
  const TensorView three = device.saved.push(DType::f32, {3});
  AdamwArguments arguments{
      .parameter = three, .gradient = three, .first_moment = three, .second_moment = three};
  arguments.update = 0;

  EXPECT_THROW(adamw(arguments, device.stream), InvalidArgument);
  arguments.update = 1;
  arguments.gradient = device.saved.push(DType::f32, {2});
  EXPECT_THROW(adamw(arguments, device.stream), InvalidArgument);
}

}  // namespace
}  // namespace softmoe::ops
