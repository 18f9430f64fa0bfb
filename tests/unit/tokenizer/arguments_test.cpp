#include "tokenizer/arguments.h"

#include <gmock/gmock.h>

#include "tests/unit/tokenizer/failure_matcher.h"

namespace softmoe::tokenizer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Command parse_words(const std::vector<std::string_view>& words) {
  return parse(words);
}

TEST(Arguments, TrainTakesSeveralInputs) {
  const auto command =
      std::get<TrainCommand>(parse_words({"train", "--input", "a.txt", "b.txt", "--vocab-size",
                                          "500", "--output", "out", "--input", "-"}));

  EXPECT_THAT(command.inputs, ElementsAre("a.txt", "b.txt", "-"));
  EXPECT_EQ(command.options.vocab_size, 500);
  EXPECT_EQ(command.output, "out");
}

TEST(Arguments, EncodeAndExportTakeAModel) {
  EXPECT_EQ(std::get<EncodeCommand>(parse_words({"encode", "--model", "m"})).model, "m");
  EXPECT_EQ(
      std::get<ExportCommand>(parse_words({"export", "--model", "m", "--output", "o"})).output,
      "o");
}

TEST(Arguments, HelpIsGivenEverywhere) {
  EXPECT_TRUE(std::holds_alternative<HelpCommand>(parse_words({"--help"})));
  EXPECT_TRUE(std::holds_alternative<HelpCommand>(parse_words({"train", "--nonsense", "--help"})));
  EXPECT_THAT(std::string(help_text()), HasSubstr("Exit codes"));
}

TEST(Arguments, MisuseIsNamedWithWhatIsAllowed) {
  const auto parsing = [](const std::vector<std::string_view>& words) {
    return [words] { (void)parse(words); };
  };
  const auto misuse = [](const std::string& message) {
    return FailsWith(ExitCode::usage, HasSubstr(message));
  };

  EXPECT_THAT(parsing({}), misuse("what to do?"));
  EXPECT_THAT(parsing({"decode"}), misuse("no `decode`, only `train`"));
  EXPECT_THAT(parsing({"encode"}), misuse("`encode` wants --model"));
  EXPECT_THAT(parsing({"encode", "model"}), misuse("does not take 'model'"));
  EXPECT_THAT(parsing({"encode", "--model"}), misuse("--model wants a value"));
  EXPECT_THAT(parsing({"encode", "--model", "a", "b"}), misuse("--model wants one value"));
  EXPECT_THAT(parsing({"encode", "--model", "a", "--model", "b"}),
              misuse("--model is given twice"));
  EXPECT_THAT(parsing({"encode", "--modle", "a"}), misuse("no option --modle; it has --model"));
  EXPECT_THAT(parsing({"train", "--input", "a", "--output", "b"}),
              misuse("`train` wants --vocab-size"));
  EXPECT_THAT(parsing({"train", "--input", "a", "--vocab-size", "4k", "--output", "b"}),
              misuse("not '4k'"));
}

}  // namespace
}  // namespace softmoe::tokenizer
