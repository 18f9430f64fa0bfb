// The layer that bench/gpu_layer times runs the rows that it was asked for, and does it right.

#include "bench/made_up_layer.h"

#include <gmock/gmock.h>

#include "bench/plan_on_device.h"
#include "bench/wrong_elements.h"
#include "parallel/local/local_world.h"
#include "tests/support/nccl_world.h"

namespace softmoe::bench {
namespace {

constexpr LayerSize kSmall{
    .tokens = 24, .hidden = 16, .inner = 12, .experts = 8, .rows = 72, .element = 4};
constexpr std::int64_t kFirst = 5;

class MadeUpLayerOnAGpu : public testing::TestWithParam<router::RouterKind> {};

TEST_P(MadeUpLayerOnAGpu, GivesWhatThePlainLoopsGiveForItsFirstTokens) {
  TokenExperts choices;
  std::vector<float> y;
  std::vector<float> d_x;
  test::run_nccl_ranks(1, [&](parallel::Communicator& alone, test::OnDevice& gpu) {
    MadeUpLayer layer(kSmall, GetParam(), kSmall.tokens, alone, gpu.work);
    layer.forward();
    choices = layer.choices(kFirst);
    EXPECT_EQ(layer.rows(), kSmall.rows);
    layer.backward();
    y = layer.y(kFirst);
    d_x = layer.d_x(kFirst);
  });

  test::OnDevice processor(Backend::reference);
  const auto alone = parallel::LocalWorld(1).communicator(Rank(0));
  MadeUpLayer first(kSmall, GetParam(), kFirst, *alone, processor.work);
  const PlanOnDevice plan(choices, kSmall.experts, processor.work);
  first.forward(&plan.plan());
  first.backward();

  EXPECT_EQ(wrong_elements(y, first.y(kFirst)), 0);
  EXPECT_EQ(wrong_elements(d_x, first.d_x(kFirst)), 0);
}

INSTANTIATE_TEST_SUITE_P(Kinds, MadeUpLayerOnAGpu,
                         testing::Values(router::RouterKind::top_k, router::RouterKind::softmoe),
                         [](const testing::TestParamInfo<router::RouterKind>& kind) {
                           return kind.param == router::RouterKind::top_k ? "TopK" : "SoftMoE";
                         });

}  // namespace
}  // namespace softmoe::bench
