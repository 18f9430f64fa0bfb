#include "model/gradient_format.h"

#include <gmock/gmock.h>

#include "model/parameter_store.h"

namespace softmoe::model {
namespace {

TEST(GradientFormat, IsPlacedByTheTokensOfAStep) {
  EXPECT_EQ(gradient_format(1, 1).bits, 52);
  EXPECT_EQ(gradient_format(1024, 1).bits, 42);
  EXPECT_EQ(gradient_format(1025, 1).bits, 41);
}

TEST(GradientFormat, HasRoomForEveryContributionOfAStep) {
  for (const std::int64_t tokens : {1, 7, 4096, 1 << 22}) {
    for (const std::int64_t lanes : {1, 2, 3, 64, 1000}) {
      const FixedPoint format = gradient_format(tokens, lanes);
      // Two of every lane, each just below the limit.
      EXPECT_LE(2.0 * static_cast<double>(lanes) * format.limit * format.scale(), 0x1p62);
    }
  }
}

TEST(GradientFormat, TakesMeanGradientsOfALaneUpToSomeHundreds) {
  for (const std::int64_t lanes : {1, 3, 64, 1000}) {
    constexpr std::int64_t kLaneTokens = 1024;
    EXPECT_GE(gradient_format(kLaneTokens * lanes, lanes).limit / kLaneTokens, 0x1p8);
  }
}

TEST(GradientFormat, RefusesAStepOfNothing) {
  EXPECT_THROW((void)gradient_format(0, 1), InvalidArgument);
  EXPECT_THROW((void)gradient_format(1, 0), InvalidArgument);
}

TEST(ParameterStore, RefusesExactSumsOfRoundedGradients) {
  EXPECT_THROW(ParameterStore(DType::bf16, ExpertId(0), gradient_format(1, 1)), InvalidArgument);
}

}  // namespace
}  // namespace softmoe::model
