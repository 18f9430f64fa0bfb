#include "bench/shape.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "bench/synthetic_tokens.h"

namespace softmoe::bench {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(Shape, EveryOneLoadsOnOneAndOnTwoRanks) {
  for (const char* shape : {"demo", "eight", "sixty_four"}) {
    for (const int world : {1, 2}) {
      const launcher::RunConfig config = load_shape({.shape = shape}, world);
      EXPECT_EQ(step_tokens(config), 2048) << shape;
      EXPECT_EQ(config.model.layers, 4) << shape;
    }
  }
}

TEST(Shape, TheDemoIsTheDemo) {
  const launcher::RunConfig shape = load_shape({.shape = "demo"}, 1);
  const launcher::RunConfig demo =
      load_shape({.config_path = std::string(SOFTMOE_SOURCE_DIR) + "/configs/demo.yaml"}, 1);

  EXPECT_EQ(shape.model.vocabulary, demo.model.vocabulary);
  EXPECT_EQ(shape.model.positions, demo.model.positions);
  EXPECT_EQ(shape.model.layers, demo.model.layers);
  EXPECT_EQ(shape.model.hidden, demo.model.hidden);
  EXPECT_EQ(shape.model.heads, demo.model.heads);
  EXPECT_EQ(shape.model.kv_heads, demo.model.kv_heads);
  EXPECT_EQ(shape.model.tied_embeddings, demo.model.tied_embeddings);
  EXPECT_EQ(shape.model.experts.num_experts, demo.model.experts.num_experts);
  EXPECT_EQ(shape.model.experts.inner, demo.model.experts.inner);
  EXPECT_EQ(shape.model.router.balance, demo.model.router.balance);
  EXPECT_EQ(shape.total_budget(), demo.total_budget());
  EXPECT_EQ(shape.training.steps, demo.training.steps);
  EXPECT_EQ(shape.training.lanes, demo.training.lanes);
  EXPECT_EQ(shape.training.lane_sequences, demo.training.lane_sequences);
}

TEST(Shape, LearnsAsSlowlyAsTheTorchPeer) {
  // bench/peer/parameters.py: on tokens that are noise, faster routers collapse.
  for (const char* name : {"demo", "eight", "sixty_four"}) {
    const launcher::RunConfig shape = load_shape({.shape = name}, 1);

    EXPECT_EQ(shape.optimizer.learning_rate, 3e-4) << name;
    EXPECT_EQ(shape.optimizer.warmup_steps, 100) << name;
  }
}

TEST(Shape, TopkRunsAsManyExpertsAsTheBudgetHas) {
  const auto topk = [](const char* shape) {
    return load_shape({.shape = shape, .routing = "topk"}, 1);
  };

  EXPECT_EQ(topk("eight").model.router.kind, router::RouterKind::top_k);
  EXPECT_EQ(topk("eight").model.router.top_k, 2);
  EXPECT_EQ(topk("sixty_four").model.router.top_k, 4);
  EXPECT_EQ(topk("eight").budget.mode, budget::Mode::off);
  EXPECT_EQ(mean_experts(topk("sixty_four")), 4);
}

TEST(Shape, TakesOverridesAsTrainDoes) {
  const launcher::RunConfig config = load_shape(
      {.shape = "eight", .overrides = {"runtime.threads=2", "model.experts.inner=64"}}, 1);

  EXPECT_EQ(config.runtime.threads, 2);
  EXPECT_EQ(config.model.experts.inner, 64);
}

TEST(Shape, NamesTheOnesThatThereAre) {
  EXPECT_THAT([] { static_cast<void>(load_shape({.shape = "nine"}, 1)); },
              ThrowsMessage<ConfigError>(HasSubstr("take demo, eight or sixty_four")));
  EXPECT_THAT([] { static_cast<void>(load_shape({.routing = "random"}, 1)); },
              ThrowsMessage<ConfigError>(HasSubstr("take softmoe or topk")));
  EXPECT_THROW(static_cast<void>(load_shape({.overrides = {"model.layers=x"}}, 1)), ConfigError);
}

TEST(SyntheticTokens, FallInFrequencyLikeWordsAndLeaveNoFile) {
  const launcher::RunConfig config = load_shape({.shape = "demo"}, 1);

  const training::TokenSource source = synthetic_tokens(config);

  std::vector<std::int32_t> tokens(1 << 17);
  source.stream().tokens(0, tokens);
  const auto zeros = static_cast<double>(std::count(tokens.begin(), tokens.end(), 0));
  const auto ninths = static_cast<double>(std::count(tokens.begin(), tokens.end(), 8));
  EXPECT_NEAR(zeros / ninths, 9, 1);
  EXPECT_NO_THROW(source.check_vocabulary());
}

}  // namespace
}  // namespace softmoe::bench
