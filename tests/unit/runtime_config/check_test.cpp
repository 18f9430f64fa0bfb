#include "runtime/config/check.h"

#include <gmock/gmock.h>

#include "tests/unit/runtime_config/sample_config.h"

namespace softmoe::config {
namespace {

std::string refusals_of(const Check& check) {
  try {
    check.throw_if_refused();
    return {};
  } catch (const ConfigError& error) {
    return error.what();
  }
}

TEST(Check, SaysNothingIfNothingWasRefused) {
  const Loaded<SampleConfig> loaded = load_sample("");
  const Check check(loaded.origins);

  EXPECT_TRUE(check.passed());
  EXPECT_NO_THROW(check.throw_if_refused());
}

TEST(Check, PlacesEachRefusalAtItsKeyWhereverItCameFrom) {
  const Loaded<SampleConfig> loaded =
      load_sample("# run\nmodel:\n  tags:\n    - a\n  router: {cap: 4}\n", {"num_steps=7"});
  Check check(loaded.origins);

  check.refuse("num_steps", "must be a multiple of 4; the nearest are 4 and 8");
  check.refuse("model.router", "needs a fallback");
  check.refuse("model.tags", "must be two");
  check.refuse("model.num_experts", "must be a multiple of 3; the nearest are 6 and 9");
  check.refuse("", "16 experts cannot be shared by 3 ranks; take 2 or 4");

  EXPECT_FALSE(check.passed());
  EXPECT_EQ(refusals_of(check),
            R"(train.yaml:3:3: error: model.tags: must be two
    3 |   tags:
      |   ^
train.yaml:5:3: error: model.router: needs a fallback
    5 |   router: {cap: 4}
      |   ^
train.yaml: error: model.num_experts (default 8): must be a multiple of 3; the nearest are 6 and 9
train.yaml: error: 16 experts cannot be shared by 3 ranks; take 2 or 4
command line: error: num_steps: must be a multiple of 4; the nearest are 4 and 8
      | num_steps=7
      | ^)");
}

TEST(Check, NamesTheKeyAloneWithoutADocument) {
  SampleModel model;
  model.num_experts = 7;
  Check check;

  model.validate(check);

  EXPECT_EQ(refusals_of(check),
            "configuration: error: num_experts: must be even; the nearest is 8");
}

}  // namespace
}  // namespace softmoe::config
