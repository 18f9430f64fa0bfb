// The MoE layer on GPUs, ranks talking by NCCL, is the layer on the processor.
// Letters: T tokens, E experts, P ranks.

#include "experts/moe_layer.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "tests/gpu/orders.h"
#include "tests/support/nccl_world.h"
#include "tests/unit/experts/moe_case.h"

namespace softmoe::test {
namespace {

struct NamedCase {
  std::string name;
  MoeCase of;
};

MoeCase f32(MoeCase of) {
  of.dtype = DType::f32;
  return of;
}

/// Layouts and workloads: balanced, ragged, hot, idle, empty, k_t = 0 and k_t = E.
std::vector<NamedCase> cases() {
  return {
      {"OneRank", f32({.tokens_P = {37}, .hidden = 24, .inner = 17})},
      {"TwoRanks", f32({.tokens_P = {16, 16}, .hidden = 24, .inner = 17})},
      {"FourRaggedRanks",
       f32({.tokens_P = {1, 17, 4, 9}, .num_experts = 8, .hidden = 24, .inner = 17, .k = 2.5})},
      {"ARankWithoutTokens", f32({.tokens_P = {15, 0}})},
      {"NoTokensAtAll", f32({.tokens_P = {0, 0}})},
      {"OneHotExpert", f32({.tokens_P = {8, 11},
                            .router = {.cap_factor = 1.0},
                            .k = 1.0,
                            .favour_E = {0, 0, 0, 20}})},
      {"ARankWithIdleExperts", f32({.tokens_P = {10, 10}, .favour_E = {-30, -30, 0, 0}})},
      {"TokensThatRunNothing",
       f32({.tokens_P = {16, 16}, .router = {.threshold = 0.75, .floor = 0}, .k = 1.5})},
      {"TokensThatRunEveryExpert",
       f32({.tokens_P = {7, 3}, .router = {.threshold = 1e-9, .cap_factor = 4.0}, .k = 3.0})},
      {"ScoresAsTheyAre",
       f32({.tokens_P = {9, 9}, .router = {.normalisation = router::ScoreNormalisation::off}})},
      {"SoftmaxTopK", f32({.tokens_P = {9, 14}, .router = {.kind = router::RouterKind::top_k}})},
      {"ThreeChunksOnTwoRanks",
       f32({.tokens_P = {13, 6}, .num_experts = 12, .k = 3.5, .exchange_chunks = 3})},
      {"FourChunksOnFourRanks",
       f32({.tokens_P = {5, 6, 7, 8}, .num_experts = 16, .k = 3.5, .exchange_chunks = 4})},
  };
}

class MoeLayerOnGpus : public testing::TestWithParam<NamedCase> {
 protected:
  void SetUp() override {
    const auto ranks = static_cast<int>(GetParam().of.tokens_P.size());
    if (!has_gpus_for(ranks)) GTEST_SKIP() << "there are no " << ranks << " GPUs";
  }
};

TEST_P(MoeLayerOnGpus, IsTheLayerOnTheProcessor) {
  const MoeOutcome processor = run_moe(GetParam().of);

  const MoeOutcome gpus = run_moe(GetParam().of, run_nccl_ranks);

  expect_same_outcome(gpus, processor, kF32Layer);
}

INSTANTIATE_TEST_SUITE_P(Cases, MoeLayerOnGpus, testing::ValuesIn(cases()),
                         [](const testing::TestParamInfo<NamedCase>& one) {
                           return one.param.name;
                         });

/// Everything that a layer gives, as one list of numbers.
std::vector<double> all_numbers(const MoeOutcome& outcome) {
  std::vector<double> numbers(outcome.expert_N.begin(), outcome.expert_N.end());
  for (const auto& part : {outcome.gate_N, outcome.y_TH, outcome.d_x_TH, outcome.d_gate_up_E2FH,
                           outcome.d_down_EHF, outcome.d_router_EH}) {
    numbers.insert(numbers.end(), part.begin(), part.end());
  }
  numbers.insert(numbers.end(), {outcome.d_gain, outcome.d_k});
  return numbers;
}

TEST(MoeLayerOnTwoGpus, HasTheSameBitsInEveryOrder) {
  if (!has_gpus_for(2)) GTEST_SKIP() << "there are no 2 GPUs";
  const MoeCase spread = f32({.tokens_P = {13, 6}, .num_experts = 12, .k = 3.5});

  expect_equal_in_every_order([&] { return all_numbers(run_moe(spread, run_nccl_ranks)); });
}

TEST(MoeLayerOnTwoGpus, HasTheSameBitsInAnyNumberOfChunks) {
  if (!has_gpus_for(2)) GTEST_SKIP() << "there are no 2 GPUs";
  MoeCase spread = f32({.tokens_P = {13, 6}, .num_experts = 12, .k = 3.5});
  const std::vector<double> at_once = all_numbers(run_moe(spread, run_nccl_ranks));

  for (const int chunks : {2, 3, 6}) {
    spread.exchange_chunks = chunks;
    EXPECT_EQ(all_numbers(run_moe(spread, run_nccl_ranks)), at_once) << chunks << " chunks";
  }
}

TEST(MoeLayerOnTwoGpus, InBf16IsTheLayerOnTheProcessorInBf16) {
  if (!has_gpus_for(2)) GTEST_SKIP() << "there are no 2 GPUs";
  const MoeCase rounded{.tokens_P = {13, 6}, .hidden = 24, .inner = 17, .dtype = DType::bf16};

  const MoeOutcome gpus = run_moe(rounded, run_nccl_ranks);

  expect_same_outcome(gpus, run_moe(rounded), kBf16Layer);
}

}  // namespace
}  // namespace softmoe::test
