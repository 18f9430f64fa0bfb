#include "runtime/ops/cross_entropy.h"

#include "tests/support/central_difference.h"
#include "tests/support/numbers.h"
#include "tests/unit/runtime/ops/everywhere.h"

namespace softmoe::ops {
namespace {

using test::as_type;
using test::central_differences;
using test::Everywhere;
using test::integers;
using test::joined;
using test::normal_numbers;
using test::OnDevice;
using testing::Each;
using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(CrossEntropy, MatchesNumbersCheckedByHand) {
  OnDevice device(Backend::reference);
  // Probabilities 1/4, 1/4, 1/2.
  const TensorView logits = device.upload<double>({0, 0, std::log(2.0)}, {1, 3});
  const TensorView loss = device.saved.push(DType::f64, {1});

  cross_entropy(logits, device.upload<std::int32_t>({1}), loss, device.stream);

  EXPECT_TRUE(test::near(device.download<double>(loss), std::vector<double>{std::log(4.0)},
                         test::kF64Rounding));
  EXPECT_TRUE(test::near(device.download<double>(logits), std::vector<double>{0.25, -0.75, 0.5},
                         test::kF64Rounding));
}

TEST(CrossEntropy, WritesTheGradientOfItsLoss) {
  OnDevice device(Backend::reference);
  const auto logits = normal_numbers<double>(2 * 5, 1);
  const std::vector<std::int32_t> targets = {4, 0};
  const auto loss_sum = [&](const std::vector<double>& at) {
    const ArenaScope scope(device.saved);
    const TensorView loss = device.saved.push(DType::f64, {2});
    cross_entropy(device.upload(at, {2, 5}), device.upload(targets), loss, device.stream);
    const auto losses = device.download<double>(loss);
    return losses[0] + losses[1];
  };
  const TensorView gradient = device.upload(logits, {2, 5});

  cross_entropy(gradient, device.upload(targets), device.saved.push(DType::f64, {2}),
                device.stream);

  EXPECT_TRUE(test::near(device.download<double>(gradient), central_differences(logits, loss_sum),
                         test::kCentralDifference));
}

TEST(CrossEntropy, IsFreeForATokenWithoutTarget) {
  for (const Backend backend : {Backend::reference, Backend::cpu}) {
    OnDevice device(backend);
    const TensorView logits = device.upload(normal_numbers<float>(21, 1), {1, 21});
    const TensorView loss = device.saved.push(DType::f32, {1});

    cross_entropy(logits, device.upload<std::int32_t>({-1}), loss, device.stream);

    EXPECT_THAT(device.download<float>(logits), Each(0.0F));
    EXPECT_THAT(device.download<float>(loss), Each(0.0F));
  }
}

TEST(CrossEntropy, TakesHugeLogits) {
  for (const Backend backend : {Backend::reference, Backend::cpu}) {
    OnDevice device(backend);
    const TensorView logits = device.upload<float>({1e5F, -1e5F, 0}, {1, 3});
    const TensorView loss = device.saved.push(DType::f32, {1});

    cross_entropy(logits, device.upload<std::int32_t>({1}), loss, device.stream);

    EXPECT_THAT(device.download<float>(loss), Each(2e5F));
    EXPECT_THAT(device.download<float>(logits), testing::ElementsAre(1, -1, 0));
  }
}

TEST(CrossEntropy, LetsANanThrough) {
  for (const Backend backend : {Backend::reference, Backend::cpu}) {
    OnDevice device(backend);
    const TensorView logits =
        device.upload<float>({1, std::numeric_limits<float>::quiet_NaN(), 0}, {1, 3});
    const TensorView loss = device.saved.push(DType::f32, {1});

    cross_entropy(logits, device.upload<std::int32_t>({0}), loss, device.stream);

    EXPECT_TRUE(std::isnan(device.download<float>(loss)[0]));
  }
}

TEST(CrossEntropy, IsTheSameEverywhere) {
  Everywhere everywhere;
  for (const std::int64_t vocabulary : {1, 3, 16, 17, 65, 255, 4099}) {
    for (const std::int64_t tokens : {0, 1, 40}) {
      everywhere.expect_same(
          [&](OnDevice& device) {
            const TensorView logits = device.upload(
                normal_numbers<float>(tokens * vocabulary, 1, 4.0), {tokens, vocabulary});
            const TensorView loss = device.saved.push(DType::f32, {tokens});
            cross_entropy(logits,
                          device.upload(integers(tokens, static_cast<std::int32_t>(vocabulary), 2)),
                          loss, device.stream);
            return joined(device.download<float>(loss), device.download<float>(logits));
          },
          test::kF32Rounding);
    }
  }
}

TEST(CrossEntropy, GivesAnElementTheSameBitsWhereverItStands) {
  OnDevice device;
  const TensorView logits = device.upload(std::vector<float>(4 * 37, 0.3F), {4, 37});

  cross_entropy(logits, device.upload<std::int32_t>({36, 36, 36, 36}),
                device.saved.push(DType::f32, {4}), device.stream);

  auto gradient = device.download<float>(logits);
  for (std::size_t row = 0; row < 4; ++row) gradient[row * 37 + 36] += 1.0F;
  const std::vector<float> others(gradient.begin(), gradient.begin() + 36);
  EXPECT_THAT(others, Each(gradient[0]));
  EXPECT_TRUE(std::equal(gradient.begin(), gradient.begin() + 37, gradient.begin() + 37));
}

TEST(CrossEntropy, KeepsBf16StorageNearF64) {
  OnDevice device(Backend::reference);
  const auto logits = as_type<Bf16>(normal_numbers<float>(2 * 9, 1));
  const TensorView rounded = device.upload(logits, {2, 9});
  const TensorView exact = device.upload(as_type<double>(logits), {2, 9});
  const View<const std::int32_t> targets = device.upload<std::int32_t>({3, 8});

  cross_entropy(rounded, targets, device.saved.push(DType::f32, {2}), device.stream);
  cross_entropy(exact, targets, device.saved.push(DType::f64, {2}), device.stream);

  EXPECT_TRUE(test::near(as_type<float>(device.download<Bf16>(rounded)),
                         device.download<double>(exact), test::kBf16Rounding));
}

TEST(CrossEntropy, NamesATargetOutsideTheVocabulary) {
  for (const Backend backend : {Backend::reference, Backend::cpu}) {
    OnDevice device(backend);
    const auto wrong = [&] {
      cross_entropy(device.upload<float>({0, 0, 0}, {1, 3}), device.upload<std::int32_t>({3}),
                    device.saved.push(DType::f32, {1}), device.stream);
      device.stream.synchronize();
    };

    EXPECT_THAT(wrong, ThrowsMessage<InvalidArgument>(HasSubstr("names row 3")));
  }
}

}  // namespace
}  // namespace softmoe::ops
