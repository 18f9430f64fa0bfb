#include "runtime/ops/rotary.h"

#include <numbers>

#include "tests/support/numbers.h"
#include "tests/unit/runtime/ops/everywhere.h"

namespace softmoe::ops {
namespace {

using test::Everywhere;
using test::integers;
using test::normal_numbers;
using test::OnDevice;
using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(Rotary, TurnsPairsByPositionTimesFrequency) {
  OnDevice device(Backend::reference);
  // Head of 4: pairs (0, 2) and (1, 3), frequencies 1 and theta^(-1/2) = 1/2. Column 0 is no head.
  const TensorView x = device.upload<double>({9, 1, 0, 0, 1}, {1, 5});

  rotary({.x = x,
          .first_column = 1,
          .heads = 1,
          .head_size = 4,
          .position_T = device.upload<std::int32_t>({3}),
          .theta = 4},
         device.stream);

  EXPECT_TRUE(test::near(
      device.download<double>(x),
      std::vector<double>{9, std::cos(3.0), -std::sin(1.5), std::sin(3.0), std::cos(1.5)},
      test::kF64Rounding));
}

TEST(Rotary, TurnsBackToWhereItWas) {
  for (const Backend backend : {Backend::reference, Backend::cpu}) {
    OnDevice device(backend);
    const auto before = normal_numbers<float>(5 * 16, 1);
    const TensorView x = device.upload(before, {5, 16});
    RotaryArguments arguments{.x = x,
                              .heads = 2,
                              .head_size = 8,
                              .position_T = device.upload<std::int32_t>({0, 1, 2, 100, 4095})};

    rotary(arguments, device.stream);
    arguments.direction = RotaryDirection::backward;
    rotary(arguments, device.stream);

    EXPECT_TRUE(test::near(device.download<float>(x), before, test::kF32Rounding));
  }
}

TEST(Rotary, MakesTheDotProductDependOnTheDistanceOnly) {
  OnDevice device(Backend::reference);
  const auto q = normal_numbers<double>(6, 1);
  const auto k = normal_numbers<double>(6, 2);
  const auto dot_at = [&](std::int32_t q_position, std::int32_t k_position) {
    std::vector<double> both = q;
    both.insert(both.end(), k.begin(), k.end());
    const TensorView x = device.upload(both, {2, 6});
    rotary({.x = x,
            .heads = 1,
            .head_size = 6,
            .position_T = device.upload<std::int32_t>({q_position, k_position})},
           device.stream);
    const auto turned = device.download<double>(x);
    double dot = 0;
    for (std::size_t i = 0; i < 6; ++i) dot += turned[i] * turned[6 + i];
    return dot;
  };

  EXPECT_NEAR(dot_at(12, 5), dot_at(107, 100), 1e-12);
}

TEST(Rotary, IsTheSameEverywhere) {
  struct Case {
    std::int64_t tokens;
    int heads;
    int head_size;
    std::int64_t first_column;
  };
  Everywhere everywhere;
  // A head of 600 takes two rounds of pairs.
  for (const Case& c : {Case{0, 2, 8, 0},
                        {1, 1, 2, 0},
                        {17, 3, 6, 5},
                        {300, 4, 64, 7},
                        {9, 1, 600, 0},
                        {4, 0, 8, 1}}) {
    for (const RotaryDirection direction : {RotaryDirection::forward, RotaryDirection::backward}) {
      everywhere.expect_same(
          [&](OnDevice& device) {
            const std::int64_t columns = c.first_column + c.heads * c.head_size + 3;
            const TensorView x =
                device.upload(normal_numbers<float>(c.tokens * columns, 1), {c.tokens, columns});
            rotary({.x = x,
                    .first_column = c.first_column,
                    .heads = c.heads,
                    .head_size = c.head_size,
                    .position_T = device.upload(integers(c.tokens, 1 << 20, 2)),
                    .direction = direction},
                   device.stream);
            return device.download<float>(x);
          },
          test::kF32Rounding);
    }
  }
}

TEST(Rotary, RefusesAnOddHeadAndHeadsOutsideTheRow) {
  OnDevice device;
  RotaryArguments arguments{.x = device.saved.push(DType::f32, {1, 8}),
                            .heads = 1,
                            .head_size = 3,
                            .position_T = device.upload<std::int32_t>({0})};

  EXPECT_THROW(rotary(arguments, device.stream), InvalidArgument);
  arguments.head_size = 4;
  arguments.heads = 2;
  arguments.first_column = 1;
  EXPECT_THAT([&] { rotary(arguments, device.stream); },
              ThrowsMessage<InvalidArgument>(HasSubstr("columns of x is 8, must be at least 9")));
}

}  // namespace
}  // namespace softmoe::ops
