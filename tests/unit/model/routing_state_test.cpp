#include "model/routing_state.h"

#include <gmock/gmock.h>

#include <limits>

#include "runtime/ops/lapsum_values.h"
#include "tests/support/tiny_model.h"

namespace softmoe::model {
namespace {

using testing::DoubleEq;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::ThrowsMessage;

/// The state of a model with two MoE layers.
struct TwoLayers {
  ModelConfig config = test::tiny_config();
  test::OnDevice on;
  RoutingState state{config, 3.0, on.device, on.stream};

  void begin(const RoutingControl& control) {
    state.begin_step(control, on.upload<float>({0.0F, 0.0F}, {2}), on.stream);
    on.stream.synchronize();
  }
};

TEST(RoutingStateCuts, BeginWithTheFirstStepAndFollowByATenth) {
  TwoLayers two;
  EXPECT_THAT(two.state.cuts(), IsEmpty());

  two.state.follow_cuts(std::vector<double>{-1.0, 2.0});
  EXPECT_THAT(two.state.cuts(), ElementsAre(-1.0, 2.0));
  two.state.follow_cuts(std::vector<double>{-2.0, 4.0});
  EXPECT_THAT(two.state.cuts(), ElementsAre(DoubleEq(-1.1), DoubleEq(2.2)));
}

TEST(RoutingStateCuts, StandInPlaceOfLambdaUntilTheyAreForgotten) {
  TwoLayers two;
  two.begin({.alpha = 0.8, .lambda = 0.3});
  EXPECT_EQ(two.state.setting(1).lambda, 0.3);

  two.state.follow_cuts(std::vector<double>{-1.0, 0.5});
  const double surface = ops::laplace_quantile(two.config.router.threshold);
  EXPECT_DOUBLE_EQ(two.state.setting(0).lambda + surface, -1.0);
  EXPECT_DOUBLE_EQ(two.state.setting(1).lambda + surface, 0.5);
  EXPECT_EQ(two.state.setting(1).alpha, 0.8);

  two.state.forget_cuts();
  EXPECT_EQ(two.state.setting(1).lambda, 0.3);
}

TEST(RoutingStateCuts, PassOverAStepThatIsNotFinite) {
  TwoLayers two;
  two.state.follow_cuts(std::vector<double>{-1.0, 2.0});
  two.state.follow_cuts(std::vector<double>{0.0, std::numeric_limits<double>::quiet_NaN()});

  EXPECT_THAT(two.state.cuts(), ElementsAre(-1.0, 2.0));
}

TEST(RoutingStateCuts, AreTakenOverForEveryLayerOrNone) {
  TwoLayers two;
  two.state.set_cuts(std::vector<double>{0.25, 0.5});
  EXPECT_THAT(two.state.cuts(), ElementsAre(0.25, 0.5));
  EXPECT_THAT([&] { two.state.set_cuts(std::vector<double>{0.25}); },
              ThrowsMessage<InvalidArgument>(HasSubstr("1 mean cuts for 2 layers")));
  two.state.set_cuts({});
  EXPECT_THAT(two.state.cuts(), IsEmpty());
}

}  // namespace
}  // namespace softmoe::model
