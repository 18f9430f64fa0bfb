#include "runtime/config/document.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <ctime>

#include "tests/unit/runtime_config/sample_config.h"

namespace softmoe::config {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// One text that is refused: where, and what is said.
struct Refusal {
  std::string name;
  std::string text;
  std::string place;
  std::string message;
};

void PrintTo(const Refusal& refusal, std::ostream* out) {
  *out << refusal.text;
}

class StrictYaml : public testing::TestWithParam<Refusal> {};

TEST_P(StrictYaml, PointsAtTheMistakeAndNamesTheCure) {
  const std::string errors = errors_of(GetParam().text);

  EXPECT_THAT(errors, StartsWith("train.yaml:" + GetParam().place + ": error: "));
  EXPECT_THAT(errors, HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Structure, StrictYaml,
    testing::Values(
        Refusal{"DuplicateKey", "num_steps: 1\nmodel: {}\nnum_steps: 2\n", "3:1",
                "duplicate key 'num_steps'; line 1 already sets it"},
        Refusal{"DuplicateKeyInFlow", "model: {seed: 1, seed: 1}", "1:18",
                "duplicate key 'model.seed'; line 1 already sets it"},
        Refusal{"DuplicateQuotedKey", "num_steps: 1\n\"num_steps\": 2\n", "2:1", "duplicate key"},
        Refusal{"Anchor", "num_steps: &a 1\n", "1:12", "anchors (&name) are not accepted"},
        Refusal{"AnchorOfASection", "model: &m\n  seed: 1\n", "1:8", "anchors (&name)"},
        Refusal{"Alias", "num_steps: *a\n", "1:12", "aliases (*name) are not accepted"},
        Refusal{"CycleOfAliases", "model: &x [1, *x]", "1:8", "anchors (&name) are not accepted"},
        Refusal{"MergeKey", "model:\n  <<: {seed: 1}\n", "2:3", "merge keys (<<) are not accepted"},
        Refusal{"Tag", "num_steps: !!int 1\n", "1:12", "tags (!name) are not accepted"},
        Refusal{"TagOfASection", "model: !big\n  seed: 1\n", "1:8", "tags (!name)"},
        Refusal{"BareTag", "num_steps: ! 1\n", "1:12", "tags (!name) are not accepted"},
        Refusal{"SecondDocument", "num_steps: 1\n---\nnum_steps: 2\n", "2:1", "a second document"},
        Refusal{"SecondDocumentWithoutContent", "num_steps: 1\n---\n", "2:1", "a second document"},
        Refusal{"TextAfterTheEnd", "num_steps: 1\n...\nmodel: {}\n", "3:1",
                "does not belong to the document above"},
        Refusal{"ListAtTheTop", "- 1\n- 2\n", "1:1", "the top level must be 'key: value' lines"},
        Refusal{"TextAtTheTop", "num_steps:1\n", "1:1", "with a space after the colon"},
        Refusal{"KeyThatIsAList", "? [a]\n: 1\n", "1:3", "a key must be plain text"},
        Refusal{"KeyThatIsAMap", "{a: 1}: 2\n", "1:1", "a key must be plain text"},
        Refusal{"NoKey", ": 1\n", "1:1", "a key is missing before ':'"}),
    [](const auto& test) { return test.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Syntax, StrictYaml,
    testing::Values(
        Refusal{"NoColon", "num_steps: 1\nmodel 2\nauth_token: x\n", "2:1",
                "expected 'key: value', with a space after the colon"},
        Refusal{"NoSpaceAfterColon", "num_steps:1\nauth_token: x\n", "1:1", "a space after"},
        Refusal{"NoColonAboveABlankLine", "num_steps: 1\nmodel 2\n\nauth_token: x\n", "2:1",
                "expected 'key: value'"},
        Refusal{"IndentedBeneathAValue", "num_steps: 1\n  model: 2\n", "2:3",
                "this line continues the value on line 1"},
        Refusal{"ContinuedAfterABlankLine", "num_steps: 1\n\n\n  2\n", "4:3",
                "this line continues the value on line 1"},
        Refusal{"IndentedHalfWay", "model:\n    seed: 1\n  tied: true\n", "3:3",
                "this indentation matches no line above"},
        Refusal{"Tab", "model:\n\tseed: 1\n", "2:1", "a tab in the indentation; use spaces"},
        Refusal{"TabAfterSpaces", "model:\n  \tseed: 1\n", "2:3", "a tab in the indentation"},
        Refusal{"SecondColon", "auth_token: a: b\n", "1:14", "a second ': ' on one line"},
        Refusal{"OpenQuote", "auth_token: \"abc\nmodel: {}\n", "1:13", "close it with \""},
        Refusal{"OpenSingleQuote", "auth_token: 'it''s\nmodel: {}\n", "1:13", "close it with '"},
        Refusal{"QuoteClosedLater", "auth_token: \"abc\nmodel: \"\n", "1:13", "close it with \""},
        Refusal{"OpenBrace", "model: {seed: 1\nnum_steps: 1\n", "1:8", "this '{' is never closed"},
        Refusal{"OpenBracket", "model:\n  tags: [a,\n    b\n", "2:9", "this '[' is never closed"},
        Refusal{"OpenNestedBracket", "model: {tags: [a, {b: 1}", "1:15",
                "this '[' is never closed"},
        Refusal{"NoComma", "model: {seed: 1, tags: [a] b}", "1:28", "expected ',' or '}' here"},
        Refusal{"StrayBracket", "num_steps: ]\n", "1:12", "this bracket closes nothing"},
        Refusal{"TextAfterQuotes", "auth_token: \"a\" b\n", "1:17", "unexpected text after"},
        Refusal{"ListBesideItsKey", "model: - 1\n", "1:8", "a list cannot start here"},
        Refusal{"ItemAmongKeys", "num_steps: 1\n- 2\n", "2:1", "a list item among keys"},
        Refusal{"Escape", "auth_token: \"a\\q\"\n", "1:15", "this is no escape of YAML"},
        Refusal{"HexEscape", "auth_token: \"\\xag\"\n", "1:14", "this is no escape of YAML"},
        Refusal{"Surrogate", "auth_token: \"\\ud800\"\n", "1:14", "this is no escape of YAML"},
        Refusal{"AtSign", "num_steps: @a\n", "1:12", "cannot start with this character"},
        Refusal{"ColumnsCountCharacters", "auth_token: \"äöü\" b\n", "1:19", "unexpected text"}),
    [](const auto& test) { return test.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Values, StrictYaml,
    testing::Values(
        Refusal{"OctalLook", "num_steps: 010\n", "1:12", "must not start with a spare 0"},
        Refusal{"Hexadecimal", "num_steps: 0x10\n", "1:12", "must be a whole number"},
        Refusal{"Fraction", "num_steps: 1.5\n", "1:12",
                "'num_steps' is '1.5', but must be a whole"},
        Refusal{"TooLargeForItsType", "num_steps: 3G\n", "1:12", "from -2147483648 to 2147483647"},
        Refusal{"BelowItsRange", "num_steps: 0\n", "1:12", "must be at least 1"},
        Refusal{"OutOfItsRange", "model:\n  num_experts: 5k\n", "2:16", "must be from 1 to 4096"},
        Refusal{"AtAnExcludedBound", "model: {router: {temperature: 0}}", "1:31", "above 0"},
        Refusal{"Infinite", "model: {router: {temperature: .inf}}", "1:31", "a finite number"},
        Refusal{"NotANumber", "model: {router: {temperature: nan}}", "1:31", "a finite number"},
        Refusal{"Overflow", "model: {router: {temperature: 1e999}}", "1:31", "a magnitude from"},
        Refusal{"Yes", "model: {tied: yes}", "1:15", "must be true or false"},
        Refusal{"One", "model: {tied: 1}", "1:15", "must be true or false"},
        Refusal{"CapitalTrue", "model: {tied: True}", "1:15", "must be true or false"},
        Refusal{"QuotedNumber", "num_steps: '5'\n", "1:12", "a whole number without quotes"},
        Refusal{"ListForANumber", "num_steps: [1]\n", "1:12", "is a list, but must be a whole"},
        Refusal{"MapForANumber", "num_steps: {a: 1}\n", "1:12", "is a section, but must be"},
        Refusal{"MapForAChoice", "model: {mode: {a: 1}}\n", "1:15", "must be one of servo, quota"},
        Refusal{"NumberForAList", "model: {tags: 1}", "1:15", "must be a list, such as [a, b]"},
        Refusal{"NumberForASection", "model: 1\n", "1:8", "'model' is '1', but must be a section"},
        Refusal{"ListForASection", "model: [1]\n", "1:8",
                "'model' is a list, but must be a section"},
        Refusal{"NoValue", "num_steps:\nauth_token: x\n", "1:1", "'num_steps' has no value"},
        Refusal{"NullForText", "auth_token: ~\n", "1:1", "'auth_token' has no value"},
        Refusal{"NullInAList", "model: {tags: [a,,b]}", "1:18", "'model.tags[1]' has no value"},
        Refusal{"ZeroByte", "auth_token: \"a\\0\"\n", "1:13", "must not hold a zero byte"},
        Refusal{"CaseOfAKey", "model: {Seed: 1}", "1:9", "did you mean 'model.seed'?"},
        Refusal{"KeyOfAnotherSection", "cap: 1", "1:1", "did you mean 'model.router.cap'?"}),
    [](const auto& test) { return test.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Encoding, StrictYaml,
    testing::Values(
        Refusal{"NotUtf8", "num_steps: 1\nauth_token: a\xFFz\n", "2:14", "byte 0xff is not UTF-8"},
        Refusal{"LongForm", "auth_token: \xC0\xAF\n", "1:13", "byte 0xc0 is not UTF-8"},
        Refusal{"RawSurrogate", "auth_token: \xED\xA0\x80\n", "1:13", "byte 0xed is not UTF-8"},
        Refusal{"CutOff", "auth_token: \xE2\x82", "1:13", "byte 0xe2 is not UTF-8"},
        Refusal{"Escape", "auth_token: \x1B[2J\n", "1:13", "control character 0x1b"},
        Refusal{"EndOfTransmission", "num_steps: 1\n\x04 no: end\n", "2:1", "character 0x04"},
        Refusal{"SecondByteOfAControl", "auth_token: \xC2\x85\n", "1:13", "character 0x85"},
        Refusal{"LoneCarriageReturn", "num_steps: 1\rmodel: 2\n", "1:13", "character 0x0d"}),
    [](const auto& test) { return test.param.name; });

TEST(Document, HasAtMostThirtyTwoLevels) {
  const auto nested = [](std::size_t levels) {
    return fmt::format("tags: {0:[>{2}}{1:]>{2}}", "", "", levels - 1);
  };
  Problems within;
  Problems beyond;

  EXPECT_TRUE(parse_document(Source::text(nested(kMaxDepth)), within).has_value());
  EXPECT_FALSE(parse_document(Source::text(nested(kMaxDepth + 1)), beyond).has_value());

  EXPECT_TRUE(within.empty());
  EXPECT_THAT(errors_of(nested(kMaxDepth + 1)),
              StartsWith("train.yaml:1:38: error: nested deeper than 32 levels"));
}

TEST(Document, LimitsTheLengthOfAValue) {
  const std::string fits(kMaxScalarBytes, 'a');

  EXPECT_EQ(errors_of("auth_token: " + fits), "");
  EXPECT_THAT(errors_of("model:\n  path: " + fits + "a"),
              StartsWith("train.yaml:2:9: error: text of 16385 bytes; the limit for one value is "
                         "16384"));
}

TEST(Document, KeepsALongLineShortInTheMessage) {
  const std::string errors = errors_of("model: {path: " + std::string(5000, 'x') + ", tied: 1}");

  EXPECT_THAT(errors, AllOf(StartsWith("train.yaml:1:5023: error:"), HasSubstr("tied: 1}")));
  EXPECT_LT(errors.size(), 400U);
}

TEST(Document, ReadsWindowsLineEndsAndAByteOrderMark) {
  const Loaded<SampleConfig> loaded =
      load_sample("\xEF\xBB\xBFnum_steps: 5\r\nmodel:\r\n  path: a\r\n");

  EXPECT_EQ(loaded.value.num_steps, 5);
  EXPECT_EQ(loaded.value.model.path, "a");
  EXPECT_EQ(loaded.origins.find("num_steps")->origin, "train.yaml:1:1");
}

TEST(Document, RefusesABombOfAliasesWithoutFollowingIt) {
  std::string bomb = "a0: &a0 [x]\n";
  for (int i = 1; i <= 30; ++i) {
    bomb += fmt::format("a{0}: &a{0} [*a{1}, *a{1}]\n", i, i - 1);
  }

  EXPECT_THAT(errors_of(bomb), HasSubstr("more"));
}

// Each is the largest document of its kind; the time must grow with the length and not its square
// (the worst takes under a second; quadratic ones took more than seven).
TEST(Document, IsReadInTimeOfItsLengthWhateverItHolds) {
  struct Filling {
    std::string start;
    std::string_view unit;
  };
  for (const auto& [start, unit] : {Filling{"", "["},
                                    {"", "- "},
                                    {"", "a: "},
                                    {"", "k: 1\n"},
                                    {"", "\""},
                                    {"", "|\n"},
                                    {"", "- a\n"},
                                    {"", "x: &y 1\n"},
                                    {"tags: [", "[1],"},
                                    {"tags: [", "a: 1,"},
                                    {"tags: [", "'a' "}}) {
    std::string text = start;
    while (text.size() + unit.size() <= Source::kMaxBytes) text += unit;
    const std::clock_t begin = std::clock();

    (void)errors_of(text);

    EXPECT_LT(std::clock() - begin, 5 * CLOCKS_PER_SEC) << start << unit;
  }
}

}  // namespace
}  // namespace softmoe::config
