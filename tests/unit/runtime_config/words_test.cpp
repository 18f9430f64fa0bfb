// What messages are made of: bounds in words, near misses, secrets, tables.

#include <gmock/gmock.h>

#include "runtime/config/describe.h"
#include "runtime/config/range.h"
#include "runtime/config/secret.h"
#include "runtime/config/suggest.h"
#include "runtime/config/text.h"
#include "tests/unit/runtime_config/sample_config.h"

namespace softmoe::config {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

TEST(Range, HoldsWhatItSays) {
  const Range half_open{.min = 0, .below = 1};
  const Range positive{.above = 0};

  EXPECT_TRUE(half_open.holds(0) && half_open.holds(0.999));
  EXPECT_FALSE(half_open.holds(1) || half_open.holds(-1e-9));
  EXPECT_TRUE(positive.holds(5e-324) && positive.holds(1e308));
  EXPECT_FALSE(positive.holds(0));
  EXPECT_TRUE(Range{}.holds(-1e308));
}

TEST(Range, IsToldInWords) {
  EXPECT_EQ((Range{.min = 1, .max = 4096}).words(), "from 1 to 4096");
  EXPECT_EQ((Range{.above = 0}).words(), "above 0");
  EXPECT_EQ((Range{.above = 0, .max = 0.5}).words(), "above 0 and at most 0.5");
  EXPECT_EQ((Range{.min = 0, .below = 1}).words(), "at least 0 and below 1");
  EXPECT_EQ(Range{}.words(), "");
}

TEST(Suggest, CountsEdits) {
  EXPECT_EQ(edit_distance("", "abc"), 3);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3);
  EXPECT_EQ(edit_distance("mode", "mdoe"), 1);
  EXPECT_EQ(edit_distance("layers", "layers"), 0);
}

TEST(Suggest, NamesWhatIsNearAndNothingElse) {
  EXPECT_EQ(nearest("num_expert", {"num_layers", "num_experts"}), "num_experts");
  EXPECT_EQ(nearest("lr", {"id", "lr_min"}), std::nullopt);
  EXPECT_EQ(nearest("x", {"y"}), std::nullopt);
  EXPECT_EQ(nearest(std::string(1 << 20, 'a'), {"a"}), std::nullopt);
}

TEST(Secret, IsNamedByAWholeWordOfTheKey) {
  for (const char* key : {"token", "auth_token", "API_KEY", "tls.password", "client-secret",
                          "secret.value", "key", "token_value"}) {
    EXPECT_TRUE(names_a_secret(key)) << key;
  }
  for (const char* key : {"tokens", "num_tokens", "num_kv_heads", "tokenizer", "monkey", "keys",
                          "key_file", "tls.key_path", "secrets_dir", "model.layers", ""}) {
    EXPECT_FALSE(names_a_secret(key)) << key;
  }
}

TEST(Secret, IsCutFromALine) {
  EXPECT_EQ(without_secret("  token: abc  # x"), "  token: <redacted>");
  EXPECT_EQ(without_secret("a: {\"api_key\" : abc}"), "a: {\"api_key\" : <redacted>");
  EXPECT_EQ(without_secret("auth.token=abc"), "auth.token=<redacted>");
  EXPECT_EQ(without_secret("tokens: 12  # key of it"), "tokens: 12  # key of it");
}

TEST(Text, ShowsWhatCannotSteerATerminal) {
  EXPECT_EQ(printable("a\tb\x1B[2J\xFF é\xC2\x9B"), "a b?[2J? é?");
  EXPECT_EQ(brief(std::string(60, 'a')), std::string(60, 'a'));
  EXPECT_EQ(brief(std::string(61, 'a')), std::string(60, 'a') + "…");
}

TEST(Describe, TabulatesEveryKeyWithItsDefaultItsRangeAndItsMeaning) {
  const std::string table = describe<SampleConfig>();

  EXPECT_THAT(table, StartsWith("key                       default               allowed"));
  EXPECT_THAT(table, HasSubstr("\nmodel.num_experts         8                     "
                               "whole number from 1 to 4096       experts of a layer\n"));
  EXPECT_THAT(table, HasSubstr("servo | quota | off "));
  EXPECT_THAT(table, HasSubstr("list of whole numbers at least 0 "));
  EXPECT_THAT(table, HasSubstr("whole number at least 1 or null "));
  EXPECT_EQ(std::count(table.begin(), table.end(), '\n'), 15);
}

TEST(Describe, EscapesBarsInMarkdown) {
  const std::string table = describe<SampleConfig>(TableFormat::markdown);

  EXPECT_THAT(table,
              StartsWith("| key | default | allowed | meaning |\n|---|---|---|---|\n"
                         "| `num_steps` | `100` | whole number at least 1 | steps of the run |\n"));
  EXPECT_THAT(table, HasSubstr("| `model.mode` | `servo` | servo \\| quota \\| off | "));
}

struct NeverValid {
  int a = 1;
  void bind(Reader& reader) { reader.value("a", a, "needs a file"); }
  void validate(Check& check) const { check.refuse("a", "must be set"); }
};

TEST(Describe, DoesNotValidateTheDefaults) {
  EXPECT_THAT(describe<NeverValid>(), HasSubstr("needs a file"));
}

}  // namespace
}  // namespace softmoe::config
