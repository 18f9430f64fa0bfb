#include "training/generation.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <mutex>

#include "runtime/base/philox.h"
#include "tests/unit/training/model_on_ranks.h"
#include "training/cached_decoder.h"

namespace softmoe::training {
namespace {

using test::Layout;
using test::ModelOnRanks;
using test::OnDevice;
using testing::AllOf;
using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::FloatNear;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pointwise;
using testing::SizeIs;
using testing::ThrowsMessage;

constexpr model::RoutingControl kControl = {.alpha = 0.8, .lambda = 0.1};

TokenIds some_tokens(std::uint64_t seed, std::size_t count) {
  TokenIds tokens;
  for (std::size_t i = 0; i < count; ++i) {
    tokens.push_back(static_cast<std::int32_t>(philox({.seed = seed}, i)[0] % 11));
  }
  return tokens;
}

CachedDecoder decoder_of(ModelOnRanks& m, std::int64_t sequences) {
  return CachedDecoder(
      {.model = m.model, .work = m.on.work, .sequences = sequences, .capacity = 8});
}

/// Logits after `tokens`, from an empty cache and one pass over all of them.
std::vector<float> logits_from_scratch(ModelOnRanks& m, std::span<const std::int32_t> tokens) {
  CachedDecoder decoder = decoder_of(m, 1);
  const auto logits = decoder.append(tokens, std::ssize(tokens));
  return {logits.begin(), logits.end()};
}

std::int32_t argmax(std::span<const float> logits) {
  return static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

/// Runs `function` on every rank of a layout, with a model whose logits differ by about one.
void on_layout(const Layout& layout, const std::function<void(ModelOnRanks&)>& function) {
  SCOPED_TRACE(testing::Message() << layout.world << " ranks, experts over "
                                  << layout.expert_parallel);
  test::run_ranks(layout.world, [&](parallel::Communicator& world, OnDevice& on) {
    ModelOnRanks m(world, layout.expert_parallel, on);
    m.sharpen(2);
    m.model.begin_step(kControl, on.stream);
    function(m);
  });
}

/// The continuations, equal on all ranks; only rank 0 knows the prompts.
std::vector<TokenIds> generate_on(const Layout& layout, const GenerationRequest& request,
                                  std::int64_t max_sequences = 2) {
  std::vector<std::vector<TokenIds>> results(static_cast<std::size_t>(layout.world));
  on_layout(layout, [&](ModelOnRanks& m) {
    const Rank rank = m.groups.world.rank();
    GenerationRequest here = request;
    if (rank != Rank(0)) here.prompts = {{9, 9, 9}};
    results[static_cast<std::size_t>(rank.value)] = generate({.model = m.model,
                                                              .world = m.groups.world,
                                                              .work = m.on.work,
                                                              .max_sequences = max_sequences},
                                                             here, kControl, {});
  });
  for (const auto& result : results) EXPECT_EQ(result, results[0]);
  return results[0];
}

class OnLayouts : public testing::TestWithParam<Layout> {};

INSTANTIATE_TEST_SUITE_P(Layouts, OnLayouts,
                         testing::Values(Layout{1, 1}, Layout{2, 2}, Layout{4, 4}, Layout{4, 2}),
                         [](const auto& layout) {
                           return "World" + std::to_string(layout.param.world) + "Experts" +
                                  std::to_string(layout.param.expert_parallel);
                         });

TEST_P(OnLayouts, CachedDecodingEqualsTheFullForward) {
  on_layout(GetParam(), [](ModelOnRanks& m) {
    // Every rank has its own text.
    const TokenIds tokens = some_tokens(static_cast<std::uint64_t>(m.groups.world.rank().value), 8);
    CachedDecoder decoder = decoder_of(m, 1);
    for (std::size_t length = 1; length <= tokens.size(); ++length) {
      const auto cached = decoder.append(std::span(tokens).subspan(length - 1, 1), 1);
      const auto whole = logits_from_scratch(m, std::span(tokens).first(length));

      EXPECT_THAT(cached, Pointwise(FloatNear(1e-5F), whole)) << "after " << length << " tokens";
    }
  });
}

TEST_P(OnLayouts, CachedDecodingGoesOnFromAPrompt) {
  on_layout(GetParam(), [](ModelOnRanks& m) {
    const TokenIds tokens = some_tokens(3, 7);
    CachedDecoder decoder = decoder_of(m, 1);

    (void)decoder.append(std::span(tokens).first(4), 4);
    const auto cached = decoder.append(std::span(tokens).subspan(4), 3);

    EXPECT_THAT(cached, Pointwise(FloatNear(1e-5F), logits_from_scratch(m, tokens)));
    EXPECT_EQ(decoder.length(), 7);
  });
}

TEST(CachedDecoder, KeepsSequencesApart) {
  on_layout({}, [](ModelOnRanks& m) {
    const TokenIds a = some_tokens(1, 5);
    const TokenIds b = some_tokens(2, 5);
    CachedDecoder both = decoder_of(m, 2);
    TokenIds prompts(a.begin(), a.begin() + 4);
    prompts.insert(prompts.end(), b.begin(), b.begin() + 4);

    (void)both.append(prompts, 4);
    const auto logits = both.append(TokenIds{a[4], b[4]}, 1);

    EXPECT_THAT(logits.first(11), Pointwise(FloatNear(1e-5F), logits_from_scratch(m, a)));
    EXPECT_THAT(logits.subspan(11), Pointwise(FloatNear(1e-5F), logits_from_scratch(m, b)));
  });
}

TEST(CachedDecoder, ServesOtherRanksWithoutASequenceOfItsOwn) {
  const TokenIds tokens = some_tokens(1, 5);
  std::vector<float> alone;
  on_layout({}, [&](ModelOnRanks& m) { alone = logits_from_scratch(m, tokens); });

  on_layout({.world = 2, .expert_parallel = 2}, [&](ModelOnRanks& m) {
    const bool has_text = m.groups.world.rank() == Rank(1);
    CachedDecoder decoder = decoder_of(m, has_text ? 1 : 0);
    const auto logits = decoder.append(has_text ? tokens : TokenIds{}, 5);

    const std::vector<float> expected = has_text ? alone : std::vector<float>();
    EXPECT_THAT(logits, Pointwise(FloatNear(1e-5F), expected));
  });
}

TEST(CachedDecoder, RefusesMoreThanItsCacheHolds) {
  on_layout({}, [](ModelOnRanks& m) {
    CachedDecoder decoder = decoder_of(m, 1);
    (void)decoder.append(some_tokens(1, 6), 6);

    EXPECT_THAT([&] { (void)decoder.append(some_tokens(1, 3), 3); },
                ThrowsMessage<InvalidArgument>(
                    AllOf(HasSubstr("3 positions"), HasSubstr("the 6"), HasSubstr("room for 8"))));
    EXPECT_THAT(
        [&] { (void)decoder.append(some_tokens(1, 3), 2); },
        ThrowsMessage<InvalidArgument>(HasSubstr("3 tokens as 2 positions of 1 sequences")));
  });
}

TEST_P(OnLayouts, GreedyTextIsWhatTheFullForwardFindsMostProbable) {
  const std::vector<TokenIds> prompts = {some_tokens(1, 3), some_tokens(2, 1), some_tokens(3, 3),
                                         some_tokens(4, 2), some_tokens(5, 3), some_tokens(6, 3),
                                         some_tokens(7, 3)};
  std::vector<TokenIds> expected;
  on_layout({}, [&](ModelOnRanks& m) {
    for (const TokenIds& prompt : prompts) {
      TokenIds text = prompt;
      for (int i = 0; i < 5; ++i) text.push_back(argmax(logits_from_scratch(m, text)));
      expected.emplace_back(text.begin() + std::ssize(prompt), text.end());
    }
  });

  const auto texts = generate_on(
      GetParam(), {.prompts = prompts, .max_tokens = 5, .sampling = {.temperature = 0}});

  EXPECT_THAT(texts, ElementsAreArray(expected));
}

TEST_P(OnLayouts, SampledTextDependsOnTheSeedAndNotOnTheLayout) {
  const GenerationRequest request{
      .prompts = {some_tokens(1, 2), some_tokens(1, 2), some_tokens(2, 3)},
      .max_tokens = 6,
      .sampling = {.temperature = 1.5, .seed = 12}};
  GenerationRequest other_seed = request;
  other_seed.sampling.seed = 13;

  const auto alone = generate_on({}, request);
  const auto spread = generate_on(GetParam(), request);

  EXPECT_EQ(spread, alone);
  EXPECT_NE(alone[0], alone[1]) << "equal prompts are continued by draws of their own";
  EXPECT_NE(generate_on(GetParam(), other_seed), alone);
}

TEST_P(OnLayouts, EndsEachTextAtItsEndOfDocument) {
  GenerationRequest request{.prompts = {some_tokens(1, 2), some_tokens(2, 2), some_tokens(3, 4)},
                            .max_tokens = 5,
                            .sampling = {.temperature = 2.0, .seed = 4}};
  const auto endless = generate_on({}, request);
  request.end_of_document = endless[0][2];

  const auto texts = generate_on(GetParam(), request);

  ASSERT_THAT(texts, SizeIs(3));
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto end = std::find(endless[i].begin(), endless[i].end(), *request.end_of_document);
    EXPECT_EQ(texts[i], TokenIds(endless[i].begin(), end));
  }
  EXPECT_LE(texts[0].size(), 2U);
}

TEST(Generation, IsTheSameInGroupsOfAnySize) {
  GenerationRequest request{.max_tokens = 4, .sampling = {.temperature = 0}};
  for (std::uint64_t i = 0; i < 7; ++i) request.prompts.push_back(some_tokens(i, 3));

  EXPECT_EQ(generate_on({}, request, 1), generate_on({}, request, 100));
}

TEST(Generation, TellsEveryTokenToItsListener) {
  on_layout({.world = 2, .expert_parallel = 2}, [](ModelOnRanks& m) {
    const GenerationRequest request{.prompts = {some_tokens(1, 2), some_tokens(2, 2)},
                                    .max_tokens = 3};
    std::vector<TokenIds> heard(2);
    std::vector<std::int64_t> order;
    const auto listen = [&](const WrittenToken& written) {
      EXPECT_EQ(written.place, std::ssize(heard[static_cast<std::size_t>(written.prompt)]));
      heard[static_cast<std::size_t>(written.prompt)].push_back(written.token);
      order.push_back(written.prompt);
    };

    const auto texts = generate({.model = m.model, .world = m.groups.world, .work = m.on.work},
                                request, kControl, listen);

    EXPECT_EQ(heard, texts);
    EXPECT_THAT(order, ElementsAre(0, 1, 0, 1, 0, 1));
  });
}

TEST(Generation, DrawsEveryTokenByItsPromptAndItsPosition) {
  // So hot that all tokens are equally probable: the draws are those of any such logits.
  const SamplingConfig hot{.temperature = 1e9, .seed = 6};
  const std::vector<float> equal(11, 0.0F);
  Sampler sampler(hot);
  std::vector<TokenIds> expected(2);
  for (std::int64_t place = 0; place < 5; ++place) {
    expected[0].push_back(sampler.draw(equal, {.sequence = 0, .position = 3 + place}));
    expected[1].push_back(sampler.draw(equal, {.sequence = 1, .position = 2 + place}));
  }

  const auto texts = generate_on(
      {}, {.prompts = {some_tokens(1, 3), some_tokens(2, 2)}, .max_tokens = 5, .sampling = hot});

  EXPECT_EQ(texts, expected);
}

TEST(Generation, FillsTheLastPosition) {
  // 8 positions are read; the ninth token is only written.
  const auto texts = generate_on({}, {.prompts = {some_tokens(1, 3)}, .max_tokens = 6});

  EXPECT_THAT(texts, ElementsAre(SizeIs(6)));
}

TEST(Generation, WritesNothingIfNothingIsAskedFor) {
  EXPECT_THAT(generate_on({}, {.prompts = {{1}}, .max_tokens = 0}), ElementsAre(IsEmpty()));
  EXPECT_THAT(generate_on({.world = 2, .expert_parallel = 1}, {.prompts = {}}), IsEmpty());
}

TEST(Generation, RefusesOnAllRanksWhatTheModelCannotContinue) {
  const auto refuses = [](GenerationRequest request,
                          const testing::Matcher<const std::string&>& why) {
    int refusals = 0;
    std::mutex mutex;
    on_layout({.world = 2, .expert_parallel = 2}, [&](ModelOnRanks& m) {
      EXPECT_THAT(
          [&] {
            (void)generate({.model = m.model, .world = m.groups.world, .work = m.on.work}, request,
                           kControl, [](const WrittenToken&) { FAIL() << "something ran"; });
          },
          ThrowsMessage<InvalidArgument>(why));
      const std::lock_guard lock(mutex);
      ++refusals;
    });
    EXPECT_EQ(refusals, 2);
  };

  refuses({.prompts = {{1}, {}}, .max_tokens = 1},
          AllOf(HasSubstr("prompt 1"), HasSubstr("no token")));
  refuses({.prompts = {{1, 11}}, .max_tokens = 1},
          AllOf(HasSubstr("prompt 0"), HasSubstr("token 1 is 11"), HasSubstr("vocabulary has 11")));
  refuses({.prompts = {{1, -2}}, .max_tokens = 1}, HasSubstr("token 1 is -2"));
  refuses({.prompts = {{1}, {1, 2, 3}}, .max_tokens = 7},
          AllOf(HasSubstr("prompt 1 of 3 tokens by 7"), HasSubstr("8 positions"),
                HasSubstr("at most 6 tokens")));
  refuses({.prompts = {some_tokens(1, 10)}, .max_tokens = 1},
          HasSubstr("shorten the prompt by at least 2 tokens"));
  refuses({.prompts = {{1}}, .max_tokens = -1}, HasSubstr("write -1 tokens"));
  refuses({.prompts = {{1}}, .max_tokens = 1, .sampling = {.top_p = 2}}, HasSubstr("top_p"));
}

}  // namespace
}  // namespace softmoe::training
