// `softmoe eval` and `softmoe generate`: what a saved model does on any number of ranks, and what
// is said of a file that is none.

#include <gmock/gmock.h>

#include <regex>

#include "tests/integration/workplace.h"

namespace softmoe::test {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::HasSubstr;
using testing::StartsWith;

/// The loss that `softmoe eval` printed.
double loss_of(const Ended& ended) {
  EXPECT_EQ(ended.code, 0) << ended.output;
  std::smatch match;
  const bool is_found =
      std::regex_search(ended.output, match, std::regex("loss ([0-9.]+) nats per token"));
  EXPECT_TRUE(is_found) << ended.output;
  return is_found ? std::stod(match[1]) : 0;
}

TEST(Eval, GivesTheSameLossOnOneTwoAndFourRanks) {
  const Workplace place;
  place.train("run");

  const double alone = loss_of(place.softmoe({"eval", "run"}));

  for (const int ranks : {1, 2, 4}) {
    EXPECT_NEAR(loss_of(place.on_ranks(ranks, {"eval", "run"})), alone, 1e-5 * alone) << ranks;
  }
  const auto events = read_json_lines(place / "run/events.jsonl");
  EXPECT_NEAR(events[1]["loss"].get<double>(), alone, 1e-5 * alone)
      << "the last evaluation of the run itself";
}

TEST(Eval, TakesAsManySequencesAsItIsTold) {
  const Workplace place;
  place.train("run");

  const Ended ended = place.softmoe({"eval", "run/model.safetensors", "--sequences", "3"});

  EXPECT_EQ(ended.code, 0) << ended.output;
  EXPECT_THAT(ended.output, HasSubstr("over 96 tokens of 3 sequences"));
}

TEST(Generate, WritesTheSameTextOnOneAndTwoRanks) {
  const Workplace place;
  place.train("run", {"training.steps=60"});
  const Words greedy = {"generate", "run", "--prompt",      "The ker",
                        "--tokens", "20",  "--temperature", "0"};

  const Ended alone = place.softmoe(greedy);
  const Ended two = place.on_ranks(2, greedy);

  EXPECT_EQ(alone.code, 0) << alone.output;
  EXPECT_THAT(alone.output, AllOf(StartsWith("The ker"), HasSubstr(" tokens]\n")));
  EXPECT_EQ(two.output, alone.output);
}

TEST(Generate, EncodesAPromptWithTheTokenizerOfTheCorpus) {
  const Workplace place;
  const Ended built =
      place.softmoe({"data", "build", "--from", "texts", "--to", "bpe", "--vocabulary", "360"});
  ASSERT_EQ(built.code, 0) << built.output;
  const auto vocabulary = nlohmann::json::parse(read_file(place / "bpe/corpus.json"))["vocab_size"];
  place.train("run",
              {"data.corpus=bpe", "training.steps=60", "model.vocabulary=" + vocabulary.dump()});
  const std::string prompt = "The driver maps the";

  // In bytes it would be 19 tokens, and leave no room for 16 more.
  const Ended ended =
      place.softmoe({"generate", "run", "--prompt", prompt, "--tokens", "16", "--seed", "3"});

  EXPECT_EQ(ended.code, 0) << ended.output;
  EXPECT_THAT(ended.output, StartsWith(prompt));
}

TEST(Generate, WritesWithAModelThatHasMoreIdsThanItsCorpusHasPieces) {
  const Workplace place;
  place.train("run");

  // Hot enough that each of the 300 ids is drawn alike; the corpus has 257 pieces.
  const Ended ended =
      place.softmoe({"generate", "run", "--tokens", "30", "--temperature", "1000", "--top-p", "1"});

  EXPECT_EQ(ended.code, 0) << ended.output;
  EXPECT_THAT(ended.output, HasSubstr("\uFFFD"));
}

TEST(Generate, NamesTheRoomThatThereIs) {
  const Workplace place;
  place.train("run");
  const std::string long_prompt(40, 'x');

  for (const int ranks : {1, 2}) {
    // One token begins the document, and of 32 positions the last token needs none.
    const Ended too_many =
        place.on_ranks(ranks, {"generate", "run", "--prompt", "abc", "--tokens", "30"});
    const Ended too_long = place.on_ranks(ranks, {"generate", "run", "--prompt", long_prompt});

    EXPECT_EQ(too_many.code, 78);
    EXPECT_EQ(count_errors(too_many), 1) << too_many.output;
    EXPECT_THAT(too_many.output, HasSubstr("give --tokens 29 or less"));
    EXPECT_EQ(too_long.code, 78);
    EXPECT_EQ(count_errors(too_long), 1) << too_long.output;
    EXPECT_THAT(too_long.output, HasSubstr("shorter by 9 tokens or more"));
  }
  const Ended just_fits = place.softmoe({"generate", "run", "--prompt", "abc", "--tokens", "29"});
  EXPECT_EQ(just_fits.code, 0) << just_fits.output;
}

TEST(Generate, RefusesSettingsThatAreNone) {
  const Workplace place;
  place.train("run");

  const Ended negative = place.softmoe({"generate", "run", "--tokens=-3"});
  const Ended hot = place.softmoe({"generate", "run", "--tokens", "5", "--temperature", "nan"});
  const Ended empty = place.softmoe({"generate", "run", "--tokens", "5", "--top-p", "0"});

  EXPECT_EQ(negative.code, 64);
  EXPECT_THAT(negative.output, HasSubstr("--tokens: must be 0 or more"));
  EXPECT_EQ(hot.code, 78);
  EXPECT_THAT(hot.output, HasSubstr("temperature = nan: it must be a number from 0 on"));
  EXPECT_EQ(empty.code, 78);
  EXPECT_THAT(empty.output, HasSubstr("top_p = 0: it must be above 0 and at most 1"));
}

TEST(Generate, SaysThatBareTokenFilesHaveNoText) {
  const Workplace place;
  std::string tokens;
  for (int i = 0; i < 4000; ++i) tokens += {static_cast<char>(i * i % 251), 0};
  write_file(place / "tokens.bin", tokens);
  place.train("run", {"data.corpus=", "data.format=nanogpt", "data.train=tokens.bin",
                      "data.validation=tokens.bin"});

  const Ended ended = place.softmoe({"generate", "run", "--tokens", "5"});

  EXPECT_EQ(ended.code, 78);
  EXPECT_THAT(ended.output, HasSubstr("name a corpus of the same tokenizer with data.corpus="));
}

/// Both commands that read a model, alone and on two ranks, say one error and end with `code`.
void expect_refused(const Workplace& place, const std::string& model, int code,
                    const testing::Matcher<const std::string&>& message) {
  for (const std::string command : {"eval", "generate"}) {
    for (const Ended& ended :
         {place.softmoe({command, model}), place.on_ranks(2, {command, model})}) {
      EXPECT_EQ(ended.code, code) << command;
      EXPECT_EQ(count_errors(ended), 1) << ended.output;
      EXPECT_THAT(ended.output, message);
    }
  }
}

TEST(SavedModel, IsNamedIfItIsMissing) {
  const Workplace place;

  expect_refused(place, "nothing", 66, AllOf(HasSubstr("nothing"), HasSubstr("correct the path")));
}

TEST(SavedModel, IsRefusedIfItIsAnythingElse) {
  const Workplace place;

  expect_refused(place, "config.yaml", 65, HasSubstr("'config.yaml' is not a safetensors file"));
}

TEST(SavedModel, IsRefusedIfItIsCut) {
  const Workplace place;
  place.train("run");
  resize_file(place / "run/model.safetensors", file_size(place / "run/model.safetensors") - 100);

  expect_refused(place, "run", 65, HasSubstr("run/model.safetensors"));
}

TEST(SavedModel, IsRefusedIfABitHasChanged) {
  const Workplace place;
  place.train("run");
  std::string content = read_file(place / "run/model.safetensors");
  content[content.size() - 100] ^= 1;
  write_file(place / "run/model.safetensors", content);

  expect_refused(place, "run", 65, HasSubstr("does not fit its checksum; copy the file again"));
}

}  // namespace
}  // namespace softmoe::test
