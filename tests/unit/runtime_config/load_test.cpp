#include "runtime/config/load.h"

#include <gmock/gmock.h>

#include "tests/unit/runtime_config/sample_config.h"

namespace softmoe::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

TEST(Load, GivesTheDefaultsForAnEmptyDocument) {
  for (const char* text : {"", "# only a comment\n", "---\n", "model:\n", "model: {}\n"}) {
    const Loaded<SampleConfig> loaded = load_sample(text);

    EXPECT_EQ(loaded.value.num_steps, 100) << text;
    EXPECT_EQ(loaded.value.model.num_experts, 8) << text;
  }
}

TEST(Load, SetsEveryKindOfTarget) {
  const Loaded<SampleConfig> loaded = load_sample(R"(num_steps: 1e3
model:
  num_experts: 64
  num_tokens: -2G
  seed: 18446744073709551615
  mode: quota
  tied: true
  path: "a # b"
  dense_layers: [0, 1_0]
  weights:
    - 0.5
    - 3e-4
  tags: [a, 'it''s', "10"]
  router:
    temperature: .25
    cap: 4
    fallback: off
)");

  const SampleModel& model = loaded.value.model;
  EXPECT_EQ(loaded.value.num_steps, 1000);
  EXPECT_EQ(model.num_experts, 64);
  EXPECT_EQ(model.num_tokens, -2'000'000'000);
  EXPECT_EQ(model.seed, 18446744073709551615ULL);
  EXPECT_EQ(model.mode, SampleMode::quota);
  EXPECT_TRUE(model.tied);
  EXPECT_EQ(model.path, "a # b");
  EXPECT_THAT(model.dense_layers, ElementsAre(0, 10));
  EXPECT_THAT(model.weights, ElementsAre(0.5, 3e-4));
  EXPECT_THAT(model.tags, ElementsAre("a", "it's", "10"));
  EXPECT_EQ(model.router.temperature, 0.25);
  EXPECT_EQ(model.router.cap, 4);
  EXPECT_EQ(model.router.fallback, SampleMode::off);
}

TEST(Load, ReadsBlocksOfLinesAsText) {
  const Loaded<SampleConfig> loaded = load_sample("model:\n  path: |\n    one\n    two\n");

  EXPECT_EQ(loaded.value.model.path, "one\ntwo\n");
}

TEST(Load, PutsTheCommandLineAboveTheDocumentAndTheDocumentAboveTheDefaults) {
  const Loaded<SampleConfig> loaded =
      load_sample("model:\n  num_experts: 16\n  seed: 3\n", {"model.num_experts=32"});

  EXPECT_EQ(loaded.value.model.num_experts, 32);
  EXPECT_EQ(loaded.value.model.seed, 3);
  EXPECT_EQ(loaded.value.num_steps, 100);
}

TEST(Load, TakesTheLastOfEqualOverrides) {
  const Loaded<SampleConfig> loaded = load_sample("", {"num_steps=2", "num_steps=3"});

  EXPECT_EQ(loaded.value.num_steps, 3);
}

TEST(Load, TakesTheTextOfAnOverrideAsItStands) {
  const Loaded<SampleConfig> loaded =
      load_sample("", {"model.path=a: [b] # \"c\" = d", "auth_token="});

  EXPECT_EQ(loaded.value.model.path, "a: [b] # \"c\" = d");
  EXPECT_EQ(loaded.value.auth_token, "");
}

TEST(Load, TakesListsFromTheCommandLine) {
  const Loaded<SampleConfig> loaded =
      load_sample("model: {dense_layers: [7]}", {"model.dense_layers=[1, 2]", "model.tags=[]"});

  EXPECT_THAT(loaded.value.model.dense_layers, ElementsAre(1, 2));
  EXPECT_THAT(loaded.value.model.tags, ElementsAre());
}

TEST(Load, UnsetsAnOptionalByNull) {
  const Loaded<SampleConfig> loaded =
      load_sample("model: {router: {cap: 4, fallback: servo}}",
                  {"model.router.cap=null", "model.router.fallback=~"});

  EXPECT_EQ(loaded.value.model.router.cap, std::nullopt);
  EXPECT_EQ(loaded.value.model.router.fallback, std::nullopt);
}

TEST(Load, TellsTheOriginOfEveryKeyInTheOrderOfBinding) {
  const Loaded<SampleConfig> loaded =
      load_sample("model:\n  router: {cap: 4}\n  num_experts: 16\n", {"num_steps=7"});

  std::vector<std::string> told;
  for (const Setting& setting : loaded.origins) {
    if (setting.origin != "default") told.push_back(setting.key + " " + setting.origin);
  }
  EXPECT_EQ(loaded.origins.size(), 14U);
  EXPECT_THAT(told, ElementsAre("num_steps command line", "model.num_experts train.yaml:3:3",
                                "model.router.cap train.yaml:2:12"));
  EXPECT_EQ(loaded.origins.find("model.num_experts")->value, "16");
  EXPECT_EQ(loaded.origins.find("model.num_experts")->help, "experts of a layer");
  EXPECT_EQ(loaded.origins.find("model.seed")->value, "0");
}

TEST(Load, ThrowsEveryMistakeAtOnceInTheOrderOfTheirPlaces) {
  const std::string text = R"(num_steps: 0
model:
  num_expert: 8
  tied: yes
  tied: true
  mode: qouta
  path: &here data
  dense_layers: [1, two, -3]
  router:
    temperature: "1.0"
optimizer: adam
auth_tokens: x
)";

  const std::string errors = errors_of(text, {"model.num_experts=8x", "model=3", "num_experts=4"});

  EXPECT_EQ(errors, R"(train.yaml:1:12: error: 'num_steps' is '0', but must be at least 1
    1 | num_steps: 0
      |            ^
train.yaml:3:3: error: unknown key 'model.num_expert' — did you mean 'model.num_experts'?
    3 |   num_expert: 8
      |   ^
train.yaml:4:9: error: 'model.tied' is 'yes', but must be true or false
    4 |   tied: yes
      |         ^
train.yaml:5:3: error: duplicate key 'model.tied'; line 4 already sets it
    5 |   tied: true
      |   ^
train.yaml:6:9: error: 'model.mode' is 'qouta', but must be one of servo, quota, off — did you mean 'quota'?
    6 |   mode: qouta
      |         ^
train.yaml:7:9: error: anchors (&name) are not accepted; write the value without it
    7 |   path: &here data
      |         ^
train.yaml:8:21: error: 'model.dense_layers[1]' is 'two', but must be a whole number, such as 12, 1_000, 64k or 1e6
    8 |   dense_layers: [1, two, -3]
      |                     ^
train.yaml:8:26: error: 'model.dense_layers[2]' is '-3', but must be at least 0
    8 |   dense_layers: [1, two, -3]
      |                          ^
train.yaml:10:18: error: 'model.router.temperature' is '1.0', but must be a number without quotes
   10 |     temperature: "1.0"
      |                  ^
train.yaml:11:1: error: unknown key 'optimizer'; the keys at the top are num_steps, auth_token, model
   11 | optimizer: adam
      | ^
train.yaml:12:1: error: unknown key 'auth_tokens' — did you mean 'auth_token'?
   12 | auth_tokens: x
      | ^
command line: error: 'model.num_experts' is '8x', but must be a whole number, such as 12, 1_000, 64k or 1e6
      | model.num_experts=8x
      |                   ^
command line: error: 'model' is a section; set one of its keys, such as 'model.num_experts'
      | model=3
      | ^
command line: error: unknown key 'num_experts' — did you mean 'model.num_experts'?
      | num_experts=4
      | ^)");
}

TEST(Load, ShowsTwentyMistakesAndCountsTheRest) {
  std::string text;
  for (int i = 0; i < 25; ++i) text += "unknown_" + std::to_string(i) + ": 1\n";

  const std::string errors = errors_of(text);

  EXPECT_THAT(errors, StartsWith("train.yaml:1:1: error: unknown key 'unknown_0'"));
  EXPECT_THAT(errors, HasSubstr("unknown_19"));
  EXPECT_THAT(errors, Not(HasSubstr("unknown_20")));
  EXPECT_THAT(errors, testing::EndsWith("\nand 5 more"));
}

TEST(Load, RefusesAnOverrideThatIsNoKeyAndValue) {
  for (const char* override_text : {"num_steps", "=4", ""}) {
    EXPECT_THAT(errors_of("", {override_text}),
                HasSubstr("is not of the form key=value, such as model.layers=4"))
        << override_text;
  }
}

TEST(Load, RefusesAnOverrideOfAListThatIsNone) {
  for (const char* list : {"1", "[1", "[1]]", "{a: 1}", "[*x]", "[1]\nb: 2"}) {
    EXPECT_THAT(errors_of("", {std::string("model.dense_layers=") + list}),
                StartsWith("command line: error: 'model.dense_layers' is '"))
        << list;
  }
}

TEST(Load, RefusesTextThatIsNotUtf8OnTheCommandLine) {
  EXPECT_THAT(errors_of("", {"model.path=a\xFF"}),
              StartsWith("command line: error: byte 0xff is not UTF-8 text"));
}

TEST(Load, ValidatesASectionOnlyIfAllOfItWasRead) {
  EXPECT_THAT(
      errors_of("model:\n  num_experts: 7\n"),
      StartsWith("train.yaml:2:3: error: model.num_experts: must be even; the nearest is 8\n"
                 "    2 |   num_experts: 7\n"
                 "      |   ^"));
  EXPECT_THAT(errors_of("model:\n  num_experts: 7\n  tied: 1\n"), Not(HasSubstr("must be even")));
  EXPECT_THAT(errors_of("model: {tied: 1, router: {cap: 65}}"),
              HasSubstr("model.router.cap: must"));
}

TEST(Load, ShowsNoSecretInAnError) {
  const std::string errors =
      errors_of("auth_token: [hunter2]\nmodel: {api_key: hunter2}\n", {"auth_token.x=hunter2"});

  EXPECT_THAT(errors, HasSubstr("    1 | auth_token: <redacted>"));
  EXPECT_THAT(errors, HasSubstr("      | auth_token.x=<redacted>"));
  EXPECT_THAT(errors, Not(HasSubstr("hunter2")));
}

struct TwiceBound {
  int a = 0;
  void bind(Reader& reader) {
    reader.value("a", a, "");
    reader.value("a", a, "");
  }
};

struct DefaultOutOfRange {
  int a = 0;
  void bind(Reader& reader) { reader.value("a", a, Range{.min = 1}, ""); }
};

TEST(Load, StopsAtABindingThatCannotBeRight) {
  EXPECT_THROW((void)load<TwiceBound>(Source::none()), InternalError);
  EXPECT_THROW((void)load<DefaultOutOfRange>(Source::none()), InternalError);
}

}  // namespace
}  // namespace softmoe::config
