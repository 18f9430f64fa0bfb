#include "runtime/config/resolved_yaml.h"

#include <gmock/gmock.h>

#include "tests/unit/runtime_config/sample_config.h"

namespace softmoe::config {
namespace {

using testing::ElementsAreArray;
using testing::HasSubstr;
using testing::Not;

std::vector<std::string> values_of(const Loaded<SampleConfig>& loaded) {
  std::vector<std::string> values;
  for (const Setting& setting : loaded.origins) values.push_back(setting.key + '=' + setting.value);
  return values;
}

TEST(ResolvedYaml, NamesTheOriginOfEveryValue) {
  const Loaded<SampleConfig> loaded =
      load_sample("model:\n  router: {cap: 4}\n  tags: [a b, c]\n", {"num_steps=7"});

  EXPECT_EQ(resolved_yaml(loaded), R"(num_steps: 7                                  # command line
model:
  num_experts: 8                              # default
  num_tokens: 1000000                         # default
  seed: 0                                     # default
  mode: servo                                 # default
  tied: false                                 # default
  path: "data/train set.bin"                  # default
  dense_layers: [0]                           # default
  weights: []                                 # default
  tags: ["a b", c]                            # train.yaml:3:3
  router:
    temperature: 1                            # default
    cap: 4                                    # train.yaml:2:12
    fallback: null                            # default
auth_token: ""                                # default
)");
}

TEST(ResolvedYaml, LoadsAgainToTheSameValues) {
  const Loaded<SampleConfig> loaded = load_sample(R"(num_steps: 1e3
model:
  num_tokens: 9007199254740993
  mode: off
  path: "tab\t, quote \", backslash \\, # hash, é, \x1b, \x85, \u2028"
  dense_layers: []
  weights: [0.1, 1e-300, 12345678.9]
  tags: ["", "null", "1_0", "a, b", "- x", "{", "'", "*a", "&a", "!a", "%", "line\nline\n"]
  router: {temperature: 0.30000000000000004, fallback: servo}
)",
                                                  {"model.seed=18446744073709551615"});

  const Loaded<SampleConfig> again = load_sample(resolved_yaml(loaded));

  EXPECT_THAT(values_of(again), ElementsAreArray(values_of(loaded)));
  EXPECT_EQ(again.value.model.path, loaded.value.model.path);
  EXPECT_EQ(again.value.model.tags, loaded.value.model.tags);
  EXPECT_EQ(again.value.model.weights, loaded.value.model.weights);
  EXPECT_EQ(again.value.model.router.temperature, 0.30000000000000004);
}

TEST(ResolvedYaml, LeavesOutSecretsAndStillLoads) {
  for (const auto& [text, overrides] :
       std::vector<std::pair<std::string, std::vector<std::string>>>{
           {"auth_token: hunter2\n", {}}, {"", {"auth_token=hunter2"}}}) {
    const Loaded<SampleConfig> loaded = load_sample(text, overrides);

    const std::string yaml = resolved_yaml(loaded);

    EXPECT_EQ(loaded.value.auth_token, "hunter2");
    EXPECT_THAT(yaml, HasSubstr("\n# auth_token: <redacted> "));
    EXPECT_THAT(yaml, Not(HasSubstr("hunter2")));
    EXPECT_EQ(load_sample(yaml).value.auth_token, "");
    EXPECT_EQ(loaded.origins.find("auth_token")->value, "<redacted>");
  }
}

}  // namespace
}  // namespace softmoe::config
